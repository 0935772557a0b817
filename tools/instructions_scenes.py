"""Tasks of reading: short scenes of two or three persons who each did something with a thing, drawn from wide
lists, and every question about them: who, what, where, when, how many, yes or no, and what is not told.

Persons, verbs and things are often alike, so that the answer cannot be guessed without the text."""
from dataclasses import dataclass

from instructions_phrases import read_language
from instructions_reading import plain_style
from instructions_tables import plural, with_article


@dataclass
class Act:
    """Somebody did something: parts of one clause."""
    who: str
    verb: tuple         # English: (past, base); Japanese: (plain, polite)
    thing: str          # bare, with its adjective or its number
    noun: str           # the thing without them, in the form that a question about a number takes
    count: str          # how many, or an empty text
    place: str          # with its preposition or particle, or empty
    time: str


@dataclass
class Question:
    ask: str
    full: str
    short: str


class Scenes:
    """Draws scenes of one language."""

    def __init__(self, m):
        self.m = m
        self.data = read_language("scenes", m.lang)
        self.verbs = [tuple(line.split(" | ")) for line in self.data["verbs"]]

    def slots(self):
        """What fills the templates of places and times."""
        t = self.m.tables
        return {"day": t.day(), "month": t.month(), "date": t.date(),
                "time": t.time(), "town": t.town(), "place": t.thing("place").name, "room": t.thing("room").name,
                "furniture": t.thing("furniture").name}

    def people(self, count):
        """Different names."""
        found = []     # names, or such as "the teacher"
        while len(found) < count:
            name = self.m.rng.choice(self.data["roles"]) if self.m.chance(0.12) else self.m.tables.anyone()
            bare = name.removesuffix("さん")
            if all(bare not in other and other.removesuffix("さん") not in bare for other in found):
                found.append(name)
        return found

    def thing(self, alike):
        """(thing, noun, count): an object with an adjective or a number; alike: the noun that it has to have."""
        m = self.m
        noun = alike or (m.tables.object().name if m.chance(0.8) else m.tables.word_of_syllables())
        draw = m.rng.random()
        if draw < 0.25 and not alike:
            n = m.number_text(m.rng.randint(2, 99))
            return (f"{noun}を{n}個" if m.ja else f"{n} {plural(noun)}"), (noun if m.ja else plural(noun)), n
        if draw < 0.7 or alike:
            adjective = m.rng.choice(self.data["adjectives"])
            return (adjective + noun if m.ja else f"{adjective} {noun}"), noun, ""
        return noun, noun, ""

    def acts(self, count):
        """Acts of different persons; often of one verb, or of one noun."""
        m = self.m
        same_verb, same_noun = m.chance(0.4), m.chance(0.3)
        verb, noun = m.rng.choice(self.verbs), m.tables.object().name
        with_place, with_time = m.chance(0.6), m.chance(0.5)
        acts, used = [], set()
        for who in self.people(count):
            thing, bare, number = self.thing(noun if same_noun else "")
            while thing in used or not same_noun and any(bare in other for other in used):
                thing, bare, number = self.thing(noun if same_noun else "")
            slots = self.slots()
            place = m.phrases.expand(m.rng.choice(self.data["places"]), **slots) if with_place else ""
            time = m.phrases.expand(m.rng.choice(self.data["times"]), **slots) if with_time and m.chance(0.8) else ""
            mine = verb if same_verb else m.rng.choice(self.verbs)
            if place in used or time in used or not same_verb and mine[0] in used:
                return self.acts(count)
            used |= {thing, place, time, mine[0]} - {""}
            acts.append(Act(who, mine, thing, bare, number, place, time))
        return acts

    # -- English -----------------------------------------------------------------------------------

    def english_clause(self, act):
        thing = act.thing if act.count else with_article(act.thing)
        if act.time and self.m.chance(0.3):
            return f"{act.time} {act.who} {act.verb[0]} {thing} {act.place}".strip()
        return " ".join(p for p in (act.who, act.verb[0], thing, act.place, act.time) if p)

    def english_text(self, acts):
        parts = [self.english_clause(act) for act in acts]
        text = parts[0]
        for part in parts[1:]:
            joint = self.m.rng.choice([". ", ". ", ", but ", ", and ", " while ", "; "])
            text += joint + (upper(part) if joint == ". " else part)
        return upper(text) + "."

    def english_questions(self, act, others):
        m, (past, base) = self.m, act.verb
        a_thing = act.thing if act.count else with_article(act.thing)
        the = act.thing if act.count else "the " + act.thing
        where = " " + act.place if act.place else ""
        did = f"{act.who} {past} {the}"
        asks = [Question(f"Who {past} {the}{where if m.chance(0.3) else ''}?", did + ".", act.who),
                Question(f"What did {act.who} {base}{where if m.chance(0.3) else ''}?", f"{act.who} {past} {a_thing}.",
                         a_thing)]
        if act.place:
            asks.append(Question(f"Where did {act.who} {base} {the}?", did + where + ".", act.place))
        if act.time:
            asks.append(Question(f"When did {act.who} {base} {the}?", f"{did} {act.time}.", act.time))
        if act.count:
            asks.append(Question(f"How many {act.noun} did {act.who} {base}?", f"{act.who} {past} {a_thing}.", act.count))
        wrong = m.rng.choice(others) if others else None
        if wrong:
            other = wrong.thing if wrong.count else with_article(wrong.thing)
            asks.append(Question(f"Did {act.who} {base} {other}?", f"No, {act.who} {past} {a_thing}.", "No"))
        if m.chance(0.7):
            asks.append(Question(f"Did {act.who} {base} {a_thing}?", f"Yes, {act.who} {past} {a_thing}.", "Yes"))
        return asks

    # -- Japanese ----------------------------------------------------------------------------------

    def object_ja(self, act):
        """The thing with its particle."""
        return act.thing if act.count else act.thing + "を"

    def japanese_clause(self, act, polite):
        lead = f"{act.time}、{act.who}は" if act.time and self.m.chance(0.3) else f"{act.who}は{act.time}"
        return lead + act.place + self.object_ja(act) + act.verb[polite]

    def japanese_text(self, acts):
        polite = self.m.chance(0.5)
        parts = [self.japanese_clause(act, polite) for act in acts]
        text = parts[0]
        for part in parts[1:]:
            text += self.m.rng.choice(["。", "。", "が、" if polite else "が、", "。そして"]) + part
        return text + "。"

    def japanese_questions(self, act, others):
        m, (plain, polite) = self.m, act.verb
        thing = self.object_ja(act)
        asks = [Question(f"{act.place if m.chance(0.3) else ''}{thing}{plain}のは誰ですか", f"{thing}{plain}のは{act.who}です。",
                         act.who),
                Question(f"{act.who}は{act.place if m.chance(0.3) else ''}何を{polite}か", f"{act.who}は{thing}{polite}。",
                         act.noun if act.count else act.thing)]
        if act.place:
            asks.append(Question(f"{act.who}はどこで{thing}{polite}か", f"{act.who}は{act.place}{thing}{polite}。",
                                 act.place.removesuffix("で")))
        if act.time:
            asks.append(Question(f"{act.who}はいつ{thing}{polite}か", f"{act.who}は{act.time}{thing}{polite}。",
                                 act.time.removesuffix("に")))
        if act.count:
            asks.append(Question(f"{act.who}は{act.noun}を何個{polite}か", f"{act.who}は{thing}{polite}。", act.count + "個"))
        wrong = m.rng.choice(others) if others else None
        if wrong:
            asks.append(Question(f"{act.who}は{self.object_ja(wrong)}{polite}か", f"いいえ、{act.who}は{thing}{polite}。",
                                 "いいえ"))
        if m.chance(0.7):
            asks.append(Question(f"{act.who}は{thing}{polite}か", f"はい、{act.who}は{thing}{polite}。", "はい"))
        return asks

    # -- traits ------------------------------------------------------------------------------------

    def trait(self, line, who, thing, taken):
        """(statement, value, question, question for the person) of a line of traits about somebody."""
        kind, statement, ask, short, yes_no, ask_who = line
        forms = self.m.tables.value(kind)
        while forms[0] in taken:
            forms = self.m.tables.value(kind)
        taken.add(forms[0])
        other = self.m.tables.value(kind)

        def filled(template, values):
            return self.m.phrases.expand(template, a=who, thing=thing, v=values[0], a_v=values[1], v_p=values[2])
        said = filled(statement, forms)
        full = said.replace(" .", ".")
        asks = [Question(filled(ask, forms), full, filled(short, forms)), Question(filled(ask_who, forms), full, who)]
        yes = self.m.chance(0.5) or other[0] == forms[0]
        word = ("はい" if yes else "いいえ") if self.m.ja else "Yes" if yes else "No"
        asks.append(Question(filled(yes_no, forms if yes else other), word + ("、" if self.m.ja else ", ") + full, word))
        return said, asks

    def traits(self, people, thing):
        """(statements, questions): some traits of some persons, often the same of all; and one that is not told."""
        m = self.m
        lines = [[cell.strip() for cell in line.split(" ;; ")] for line in
                 m.rng.sample(self.data["traits"], m.rng.choice([1, 1, 1, 2, 2]) + 1)]
        untold, lines = lines[0], [line for line in lines[1:] if line[2] != lines[0][2]]
        same, taken, statements, questions = m.chance(0.6), set(), [], []
        for i, who in enumerate(people):
            mine = lines if same else [line for j, line in enumerate(lines) if j % len(people) == i]
            for line in mine:
                said, asks = self.trait(line, who, thing, taken)
                statements.append(said)
                questions += asks if m.chance(0.7) else asks[:2]
        if m.chance(0.6) and statements:
            _, asks = self.trait(untold, m.rng.choice(people), thing, taken)
            questions.append(Question(asks[0].ask, m.phrases.pick("unknown"), ""))
        return statements, questions

    def joined(self, statements):
        """The statements as a text, some joined to one sentence."""
        m, text = self.m, ""
        if m.chance(0.3):
            m.rng.shuffle(statements)
        for i, said in enumerate(statements):
            if i == 0:
                text = upper(said)
                continue
            if m.ja:
                joins = text.endswith("です。") and m.chance(0.4)
                text = text[:-3] + "で、" + said if joins else text + said
                continue
            joins = text.endswith(".") and not text.endswith(" .") and m.chance(0.4)
            if joins:
                said = "the " + said[4:] if said.startswith("The ") else said
                text = text[:-1] + m.rng.choice([", and ", ", but ", " and ", "; "]) + said
            else:
                text += " " + upper(said)
        return text

    # -- both --------------------------------------------------------------------------------------

    def draw(self):
        """(text, questions)."""
        m = self.m
        if m.chance(0.45):
            statements, questions = [], []
            while not statements:
                people = self.people(m.rng.choice([1, 2, 2, 2, 3]))
                statements, questions = self.traits(people, (m.tables.object() if m.chance(0.7) else m.tables.pet()).name)
            text = self.joined(statements)
        else:
            acts = self.acts(m.rng.choice([1, 2, 2, 2, 2, 3]))
            text, questions = (self.japanese_text if m.ja else self.english_text)(acts), []
            for act in acts:
                others = [o for o in acts if o is not act]
                questions += (self.japanese_questions if m.ja else self.english_questions)(act, others)
            if m.chance(0.35):
                some = [act.who for act in acts] if m.chance(0.6) else self.people(1)
                said, asks = self.traits(some[:1], m.tables.object().name)
                if said:
                    text = m.corpus.join([text, self.joined(said)] if m.chance(0.6) else [self.joined(said), text])
                questions += asks
        m.rng.shuffle(questions)
        return (plain_style(text, "だ。") if m.ja and m.chance(0.2) else text), questions


def upper(text):
    """The text with a capital at its front."""
    return text[0].upper() + text[1:]


def scenes_of(m):
    """The scenes of a maker, made once."""
    if not hasattr(m, "scenes"):
        m.scenes = Scenes(m)
    return m.scenes


def asked_in(m, question, short):
    """(question, answer) as a prompt asks it: in a full sentence, unless a short answer is wished for."""
    ask = m.phrases.ended(question.ask, True, False)
    if short and question.short:
        yes_no = question.short in ("Yes", "No", "はい", "いいえ")
        wish = m.phrases.pick("yes_no_how" if yes_no else "short_answer")
        return ask + ("" if m.ja else " ") + wish, question.short
    return ask, upper(question.full)


def scene(m):
    """A scene and one question."""
    text, questions = scenes_of(m).draw()
    question, answer = asked_in(m, questions[0], m.chance(0.35))
    task = "answer_from_text" if questions[0].short else "not_in_text"
    return m.one(task, m.phrases.reading(text, question), answer, text)


def scene_drill(m):
    """A scene and all that can be asked about it, all answers short or all in sentences."""
    text, questions = scenes_of(m).draw()
    short = m.chance(0.4)
    talk = None
    for question in questions[:9]:
        ask, answer = asked_in(m, question, short)
        if talk is None:
            talk = m.one("several_questions", m.phrases.reading(text, ask), answer, text)
        else:
            talk.turns += [("user", ask), ("assistant", answer)]
    return talk


TASKS = {"scene": (scene, 14)}
