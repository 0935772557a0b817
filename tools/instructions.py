#!/usr/bin/env python3
"""Makes talks of short instructions and their answers, in Japanese and English, as JSON lines for issun tune.

All is made by rules: out of the tables in tools/instructions and out of sentences of the corpus. What
the tests in models/checks ask does not occur; --held makes talks of material that is never trained on.
"""
import argparse
import collections
import json
import pathlib
import re
import sys
import zlib

import instructions_clauses
import instructions_copy
import instructions_drill
import instructions_events
import instructions_lists
import instructions_passages
import instructions_reading
import instructions_scenes
import instructions_talk
import instructions_words
import instructions_writing
from instructions_corpus import Corpus
from instructions_maker import Maker
from instructions_phrases import Phrases, read_language, seeded
from instructions_tables import Tables

MODULES = [instructions_copy, instructions_lists, instructions_reading, instructions_events, instructions_scenes,
           instructions_passages, instructions_clauses, instructions_words, instructions_writing, instructions_talk]
READING = {"answer_from_text", "not_in_text", "choice", "yes_no", "several_questions"}
CHECKS = pathlib.Path(__file__).resolve().parent.parent / "models" / "checks"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", required=True, help="folder with train.ja.jsonl and train.en.jsonl")
    parser.add_argument("--out", required=True, help="file of JSON lines to write")
    parser.add_argument("--talks", type=int, default=80000, help="how many talks, half in each language (80000)")
    parser.add_argument("--seed", type=int, default=1, help="of all random choices (1)")
    parser.add_argument("--held", action="store_true", help="only talks whose material is held out of training")
    parser.add_argument("--held-share", type=int, default=40, help="one material of so many is held out (40)")
    parser.add_argument("--paragraphs", type=int, default=60000,
                        help="paragraphs of the corpus, in each language, that material comes from (60000)")
    parser.add_argument("--repeats", type=int, default=5,
                        help="how often a prompt of knowledge or small talk may occur (5); others occur once")
    parser.add_argument("--system-share", type=float, default=0.08, help="share of talks with a system message (0.08)")
    parser.add_argument("--several-share", type=float, default=0.06,
                        help="share of talks made of two or three instructions (0.06)")
    parser.add_argument("--drill-share", type=float, default=0,
                        help="share of talks that are long drills of many questions (0)")
    parser.add_argument("--longest", type=int, default=2400, help="bytes of a talk at most (2400)")
    return parser.parse_args()


def plain(text):
    """What is left of a text for comparing: lower case, no spaces, no punctuation."""
    return re.sub(r"[\W_]+", "", text.lower())


class Fence:
    """Keeps apart what is trained on, what is held out, and what the tests ask."""

    def __init__(self, held, share):
        self.held, self.share = held, share
        self.prompts, self.materials = set(), []
        for path in sorted(CHECKS.glob("instructions.*.jsonl")):
            for line in path.read_text(encoding="utf-8").splitlines():
                test = json.loads(line)
                self.prompts.add(plain(test["prompt"]))
                if len(plain(test.get("material", ""))) >= 8:
                    self.materials.append(plain(test["material"]))

    def admits(self, talk):
        for _, content in talk.turns:
            bare = plain(content)
            if any(test in bare for test in (*self.prompts, *self.materials)):
                return False
        return (zlib.crc32(plain(talk.material).encode()) % self.share == 0) == self.held


def maker(lang, options):
    """The maker of talks of a language, with its corpus read."""
    rng = seeded(options.seed, lang)
    phrases = Phrases(lang, rng)
    corpus = Corpus(pathlib.Path(options.corpus) / f"train.{lang}.jsonl", lang, rng, options.paragraphs)
    m = Maker(lang, rng, phrases, Tables(lang, phrases, rng), corpus)
    m.facts_book = instructions_reading.Facts(m)
    m.tables.read_names = corpus.names
    m.writing, m.talk = read_language("writing", lang), read_language("talk", lang)
    m.translations = read_language("knowledge", "en")["words"]
    print(f"instructions: {lang}: {len(corpus.paragraphs)} paragraphs, {len(corpus.sentences)} sentences, "
          f"{len(corpus.words)} words", file=sys.stderr)
    return m


def tasks_of(lang):
    """(functions, weights) of all tasks of a language."""
    tables = [module.TASKS for module in MODULES]
    if lang == "en":
        tables += [getattr(module, "ENGLISH_TASKS", {}) for module in MODULES]
    entries = [entry for table in tables for entry in table.values()]
    return [f for f, _ in entries], [w for _, w in entries]


def talks_of(m, count, fence, options):
    """Yields count talks, all admitted, none too long, prompts repeated only where they may."""
    functions, weights = tasks_of(m.lang)
    seen = collections.Counter()
    made = tried = 0
    while made < count:
        tried += 1
        if tried > 60 * options.held_share * count:
            raise RuntimeError(f"{m.lang}: expected {count} talks, made {made} and found no more new ones")
        if options.drill_share and m.chance(options.drill_share):
            talk = instructions_drill.drill(m)
        elif m.chance(options.several_share):
            parts = [f(m) for f in m.rng.choices(functions, weights, k=m.rng.randint(2, 3))]
            if not all(fence.admits(part) for part in parts):
                continue
            talk = instructions_talk.joined(m, parts)
        else:
            talk = m.rng.choices(functions, weights)[0](m)
        key = plain(talk.turns[0][1]) if len(talk.turns) == 2 else plain(str(talk.turns))
        most = options.repeats if talk.may_repeat else 1
        size = sum(len(c.encode()) for _, c in talk.turns)
        if seen[key] >= most or not fence.admits(talk) or size > options.longest:
            continue
        if any(not c.strip() or "{" in c and "}" in c for _, c in talk.turns):
            raise ValueError(f"{talk.task}: a turn is empty or has a slot left: {talk.turns}")
        if m.chance(options.system_share):
            lines = m.phrases.sections["system"]
            if talk.task not in READING:
                lines = [line for line in lines if "text" not in line and "文章" not in line]
            talk.system = m.rng.choice(lines)
        seen[key] += 1
        made += 1
        yield talk


def main():
    options = arguments()
    fence = Fence(options.held, options.held_share)
    records, counts = [], collections.Counter()
    for lang in ("ja", "en"):
        for talk in talks_of(maker(lang, options), options.talks // 2, fence, options):
            records.append(json.dumps(talk.record(), ensure_ascii=False))
            counts[talk.task, talk.lang] += 1
    seeded(options.seed, "order").shuffle(records)
    path = pathlib.Path(options.out)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(records) + "\n", encoding="utf-8")
    for task in sorted({task for task, _ in counts}):
        print(f"{task:20} ja {counts[task, 'ja']:6} en {counts[task, 'en']:6}")
    print(f"{len(records)} talks, {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
