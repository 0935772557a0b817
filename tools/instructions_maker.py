"""A talk, and the maker of talks: what every module of tasks shares."""
from dataclasses import dataclass, field

from instructions_tables import DIGITS


@dataclass
class Talk:
    """A talk of turns (role, content); material: what its answer depends on, for holding out."""
    task: str
    lang: str
    turns: list
    material: str = ""
    system: str = ""
    may_repeat: bool = field(default=False)

    def record(self):
        """The line of JSONL as a dictionary."""
        roles = [{"role": "system", "content": self.system}] if self.system else []
        return {"messages": roles + [{"role": r, "content": c} for r, c in self.turns],
                "task": self.task, "lang": self.lang}


class Maker:
    """Holds the corpus, the phrases and the tables of one language for the functions of tasks."""

    def __init__(self, lang, rng, phrases, tables, corpus):
        self.lang, self.rng = lang, rng
        self.phrases, self.tables, self.corpus = phrases, tables, corpus
        self.ja = lang == "ja"
        self.clause_places = {}     # what instructions_clauses.py has found in the corpus

    def one(self, task, prompt, answer, material="", may_repeat=False):
        """A talk of one question and one answer."""
        return Talk(task, self.lang, [("user", prompt), ("assistant", answer)],
                    material or prompt, may_repeat=may_repeat)

    def ask(self, task, section, answer, may_repeat=False, **slots):
        """A talk whose prompt is a line of a section without material of its own."""
        prompt = self.phrases.ended(self.phrases.pick(section, **slots), True, False)
        return self.one(task, prompt[0].upper() + prompt[1:], answer, may_repeat=may_repeat)

    def chance(self, p):
        return self.rng.random() < p

    def number_text(self, n):
        """A number as a word or as digits."""
        return DIGITS[self.lang][n] if n <= 10 and self.chance(0.5) else str(n)

    def joined(self, items):
        """Items as they stand in a sentence."""
        if self.ja:
            return "、".join(items)
        return ", ".join(items)

    def and_joined(self, items):
        if len(items) == 1:
            return items[0]
        if self.ja:
            return self.rng.choice(["、", "と"]).join(items)
        return ", ".join(items[:-1]) + " and " + items[-1]
