"""Tasks of reading: made-up facts and events, and questions that only the text answers."""
from dataclasses import dataclass

from instructions_phrases import DATA, read_sections

NAMES = {"person": None, "pet": "pet_names", "shop": "shops", "event": "eventnames", "product": "products",
         "town": None, "book": "books", "trip": "trips", "club": "clubs", "machine2": "machines",
         "train2": "trains"}


RELATIVES = {("en", "f"): ["sister", "aunt", "neighbour", "friend", "teacher", "cousin", "grandmother"],
             ("en", "m"): ["brother", "uncle", "neighbour", "friend", "teacher", "cousin", "grandfather"],
             ("ja", "f"): ["姉", "妹", "おば", "友達", "隣", "いとこ", "祖母"],
             ("ja", "m"): ["兄", "弟", "おじ", "友達", "隣", "いとこ", "祖父"]}


@dataclass
class Fact:
    """One fact of a subject: its sentence, its question and its answers."""
    subject: str
    column: int         # which line of the file of facts it is
    kind: str
    forms: tuple        # the value plain, with an article, in the plural
    sentence: str
    question: str
    full: str
    short: str


class Facts:
    """Reads the lines of facts and fills them."""

    def __init__(self, m):
        self.m = m
        self.kinds = {}
        for header, lines in m.tables.facts.items():
            if ";" in header:
                self.kinds[header.split(";")[0].strip()] = [[c.strip() for c in line.split(" ;; ")]
                                                            for line in lines]

    def subject(self, kind):
        """(name, gender) of a new subject; gender "n" for things."""
        if kind == "person":
            return self.m.tables.person()
        if kind == "town":
            return self.m.tables.town(), "n"
        return self.m.tables.made_up_name(NAMES[kind]), "n"

    def fill(self, kind, column, name, gender, first, relative=False):
        """The fact of a line; first: the sentence names the subject; relative: as somebody's sister, ..."""
        m = self.m
        value_kind, statement, question, full, short = self.kinds[kind][column]
        forms = value, with_a, several = m.tables.value(value_kind)
        if m.ja:
            he = {"f": "彼女", "m": "彼"}.get(gender, "")
            keep = first or m.chance(0.3)
            if relative:
                name_here = m.rng.choice(RELATIVES["ja", gender]) + "の" + name
            else:
                name_here = name
            subject = name_here + "は" if keep else m.rng.choice([he + "は", ""]) if he else ""
            possessive = name_here + "の" if keep else m.rng.choice([he + "の", ""]) if he else ""
            slots = {}
        else:
            he, his = {"f": ("She", "Her"), "m": ("He", "His")}.get(gender, ("It", "Its"))
            keep = first or m.chance(0.25)
            top = name[0].upper() + name[1:]
            if relative:
                top = m.rng.choice(["My ", "Our "]) + m.rng.choice(RELATIVES["en", gender]) + " " + name
            subject, possessive = (top, top + "'s") if keep else (he, his)
            slots = {"his": his.lower(), "a_v": with_a, "v_p": several, "a_V": with_a[0].upper() + with_a[1:]}
        slots.update(v=value, N=name, S=subject, P=possessive)
        text = [m.phrases.expand(t, **slots) for t in (statement, question, full, short)]
        if m.ja:
            text[1] = m.phrases.ended(text[1], True, False)
        else:
            text = [t.replace(" .", ".") for t in text]
            text[2] = text[2][0].upper() + text[2][1:]
        return Fact(name, column, value_kind, forms, *text)

    def names_subject(self, kind, column):
        statement = self.kinds[kind][column][1]
        return statement.startswith(("{S}", "{P}"))

    def about_one(self, kind, count):
        """Facts of one subject, in a random order; the first sentence names it."""
        name, gender = self.subject(kind)
        columns = self.m.rng.sample(range(len(self.kinds[kind])), count + 1)
        while not self.names_subject(kind, columns[0]):
            self.m.rng.shuffle(columns)
            if not any(self.names_subject(kind, c) for c in columns):
                columns = self.m.rng.sample(range(len(self.kinds[kind])), count + 1)
        used = set()
        facts = []
        for i, column in enumerate(columns):
            relative = i == 0 and kind == "person" and self.m.chance(0.2)
            fact = self.fill(kind, column, name, gender, i == 0, relative)
            while fact.forms[0] in used:
                fact = self.fill(kind, column, name, gender, i == 0, relative)
            used.add(fact.forms[0])
            facts.append(fact)
        return facts[:count], facts[count]      # the last one is left out of the text

    def about_many(self, kind, subjects, count):
        """The same facts of several subjects, all named."""
        columns = [c for c in range(len(self.kinds[kind])) if self.names_subject(kind, c)]
        columns = self.m.rng.sample(columns, min(count, len(columns)))
        facts, used, names = [], set(), set()
        for _ in range(subjects):
            name, gender = self.subject(kind)
            while name.removesuffix("さん") in names:
                name, gender = self.subject(kind)
            names.add(name.removesuffix("さん"))
            for column in columns:
                fact = self.fill(kind, column, name, gender, True)
                for _ in range(50):
                    if fact.forms[0] not in used:
                        break
                    fact = self.fill(kind, column, name, gender, True)
                used.add(fact.forms[0])
                facts.append(fact)
        if self.m.chance(0.4):
            self.m.rng.shuffle(facts)
        return facts


def text_of(m, facts):
    """The sentences of facts, sometimes with one that has nothing to do with them."""
    parts = paired(m, [f.sentence for f in facts])
    if m.chance(0.3):
        parts.insert(m.rng.randint(1, len(parts)), m.phrases.expand(m.rng.choice(m.tables.facts["fillers"])))
    if m.ja and m.chance(0.3):
        parts = [plain_style(p, m.rng.choice(["だ。", "である。"])) for p in parts]
    if m.chance(0.12):
        parts.append(m.corpus.sentence(10, 80))
    if m.chance(0.06):
        return m.rng.choice(["\n", "\n- "]).join(parts)
    return m.corpus.join(parts)


def plain_style(text, copula):
    """A Japanese sentence of です and ます in the plain style."""
    for line in read_sections(DATA / "plain_style.txt")["endings"]:
        polite, plain = line.split(" ")
        if text.endswith(polite):
            return text[:-len(polite)] + (copula if plain == "だ。" else plain)
    return text


def paired(m, parts):
    """The sentences, some of them joined with the next by and (です。 by で、)."""
    out = []
    for part in parts:
        last = out[-1] if out else ""
        joins = last.endswith("です。") if m.ja else last.endswith(".") and " and " not in last
        if last and m.chance(0.25) and joins:
            first = part.split()[0] if not m.ja else ""
            if m.ja:
                out[-1] = last[:-3] + "で、" + part
                continue
            if first in ("She", "He", "It", "His", "Her", "Its", "The", "There", "Everyone", "A"):
                out[-1] = last[:-1] + " and " + part[0].lower() + part[1:]
                continue
        out.append(part)
    return out


def asked(m, question, full, short):
    """(question, answer): with a wish for a short or a long answer, or without any."""
    space = "" if m.ja else " "
    draw = m.rng.random()
    if draw < 0.3:
        return question + space + m.phrases.pick("short_answer"), short
    if draw < 0.42:
        return question + space + m.phrases.pick("long_answer"), full
    return question, full if m.chance(0.75) else short


def drawn_facts(m):
    """(facts of the text, one fact left out or None, the text)."""
    book = m.facts_book
    kind = m.rng.choice(["person"] * 4 + list(book.kinds))
    if m.chance(0.65):
        facts, other = book.about_one(kind, m.rng.randint(1, 6))
        return facts, other, text_of(m, facts)
    facts = book.about_many(kind, m.rng.randint(2, 3), m.rng.randint(1, 3))
    return facts, None, text_of(m, facts)


def fact_question(m):
    """A question about made-up facts: what, unknown, yes or no, which of two."""
    facts, other, text = drawn_facts(m)
    fact = m.rng.choice(facts)
    draw = m.rng.random()
    task, (question, answer) = "answer_from_text", asked(m, fact.question, fact.full, fact.short)
    if draw < 0.07 and other:
        task, question, answer = "not_in_text", other.question, m.phrases.pick("unknown")
    elif draw < 0.24 and fact.subject in fact.full:
        task, (question, answer) = "yes_no", yes_or_no(m, fact)
    elif draw < 0.32:
        task, (question, answer) = "choice", choice(m, fact)
    return m.one(task, m.phrases.reading(text, question), answer, text)


def other_value(m, fact, form):
    """A value of the same kind that the fact does not have, in the same form."""
    for _ in range(50):
        value = m.tables.value(fact.kind)[form]
        if value not in fact.full and value not in fact.forms:
            return value
    return value


def yes_or_no(m, fact):
    """(question, answer) on whether a fact is so."""
    yes = m.chance(0.5)
    form = form_in(fact)
    claim = fact.full
    if not yes and form is not None:
        claim = fact.full.replace(fact.forms[form], other_value(m, fact, form))
    yes = claim == fact.full
    short = m.chance(0.5)
    if m.ja:
        for end, asks in (("です。", "ですか"), ("ます。", "ますか"), ("ました。", "ましたか")):
            if claim.endswith(end):
                question = claim[:-len(end)] + asks + "。"
        word = "はい" if yes else "いいえ"
        return question + (m.phrases.pick("yes_no_how") if short else ""), \
            word if short else f"{word}、{fact.full}"
    statement = claim.rstrip(".")
    statement = statement[0].lower() + statement[1:] if statement.startswith(("The ", "It ")) else statement
    question = m.rng.choice([f"Is it true that {statement}?", f"Does the text say that {statement}?",
                             f"True or not: {statement}?", f"Is this right: {statement}?"])
    word = "Yes" if yes else "No"
    full = fact.full[0].lower() + fact.full[1:] if fact.full.startswith(("The ", "It ")) else fact.full
    if short:
        return question + " " + m.phrases.pick("yes_no_how"), word
    return question, f"{word}, {full}"


def form_in(fact):
    """The index of the form of the value that stands once in the full answer, or None."""
    return next((i for i in (1, 2, 0) if fact.full.count(fact.forms[i]) == 1), None)


def choice(m, fact):
    """(question, answer) with two values to choose from."""
    form = form_in(fact) or 0
    core, wrong = fact.forms[form], other_value(m, fact, form)
    a, b = (core, wrong) if m.chance(0.5) else (wrong, core)
    if m.ja:
        return f"{fact.question}{a}と{b}のどちらですか。", fact.full if m.chance(0.5) else core
    return f"{fact.question.rstrip('?')}: {a} or {b}?", fact.full if m.chance(0.5) else core


def fact_talk(m):
    """Two or three questions about one text."""
    facts, other, text = drawn_facts(m)
    chosen = m.rng.sample(facts, min(len(facts), m.rng.randint(2, 3)))
    talk = None
    for fact in chosen:
        question, answer = asked(m, fact.question, fact.full, fact.short)
        if talk is None:
            talk = m.one("several_questions", m.phrases.reading(text, question), answer, text)
        else:
            talk.turns += [("user", question), ("assistant", answer)]
    if other and m.chance(0.25):
        talk.turns += [("user", other.question), ("assistant", m.phrases.pick("unknown"))]
    return talk


EXTRACTED = {"num": "number", "email": "email", "date": "date", "name": "name", "time": "time", "price": "price"}


def extract(m):
    """The one number, date, name, ... in a short text."""
    book = m.facts_book
    for _ in range(200):
        kind = m.rng.choice(list(book.kinds))
        column = m.rng.randrange(len(book.kinds[kind]))
        head = book.kinds[kind][column][0].partition(" ")[0]
        if head in EXTRACTED and (head != "name" or kind != "person"):
            break
    name, gender = book.subject(kind)
    fact = book.fill(kind, column, name, gender, True)
    core = fact.forms[0]
    parts = [fact.sentence]
    if m.chance(0.6):
        parts.insert(m.rng.randrange(2), m.corpus.sentence(10, 80))
    if any(c.isdigit() for p in parts if p is not fact.sentence for c in p) or any(c.isdigit() for c in name):
        return extract(m)
    text = m.corpus.join(parts)
    section = "extract_" + EXTRACTED[head]
    unit = "sentence" if len(parts) == 1 else "text"
    return m.one("extract", m.phrases.compose(section, text, unit), core, text)


TASKS = {"fact_question": (fact_question, 18), "fact_talk": (fact_talk, 2.5), "extract": (extract, 2.5)}
