"""Tasks of small knowledge: words, numbers, days, capitals, questions of every day."""
from instructions_reading import asked
from instructions_tables import MONTHS, WEEK


def arithmetic(m):
    """Sums up to 20 and a little beyond, and the small times tables."""
    task = m.rng.choice(["add", "add", "subtract", "subtract", "multiply"])
    if task == "add":
        a, b = m.rng.randint(0, 12), m.rng.randint(1, 12)
        value = a + b
    elif task == "subtract":
        a = m.rng.randint(1, 20)
        b = m.rng.randint(0, a)
        value = a - b
    else:
        a, b = m.rng.randint(1, 10), m.rng.randint(1, 10)
        value = a * b
    things = m.rng.choice(["apples", "books", "eggs", "cookies", "balls", "pens"]) if not m.ja else \
        m.rng.choice(["りんご", "みかん", "卵", "クッキー", "ボール", "あめ"])
    who = m.tables.person()[0].removesuffix("さん")
    answer = str(value) if m.chance(0.7) else m.phrases.pick("sum_sentence", v=value)
    return m.ask("arithmetic", task, answer, True, a=a, b=b, things=things, who=who)


def comparing(m):
    """Which of two numbers is larger; the next and the last number; counting."""
    task = m.rng.choice(["compare", "compare", "compare_small", "after_number", "before_number", "count_to"])
    a, b = m.rng.sample(range(1, m.rng.choice([20, 100, 1000])), 2)
    if task == "count_to":
        n = m.rng.randint(3, 15)
        return m.ask(task, task, m.joined([str(i) for i in range(1, n + 1)]), True, n=n)
    answer = {"compare": max(a, b), "compare_small": min(a, b),
              "after_number": a + 1, "before_number": a - 1}[task]
    return m.ask("compare", task, str(answer), True, a=a, b=b)


def calendar(m):
    """The day or month before or after."""
    unit, names = m.rng.choice([("day", WEEK[m.lang]), ("month", MONTHS[m.lang])])
    at, step, way = m.rng.randrange(len(names)), *m.rng.choice([(1, "after"), (-1, "before")])
    return m.ask("calendar", f"{unit}_{way}", names[(at + step) % len(names)], True, x=names[at])


def pairs(m):
    """Opposites; English also plurals and the past tense."""
    table = m.rng.choice(["opposites"] if m.ja else ["opposites", "plurals", "past"])
    lines = [line.split() for line in m.tables.knowledge[table]]
    x, y = m.rng.choice(lines)
    if table == "opposites" and m.chance(0.5) and sum(y in line for line in lines) == 1:
        x, y = y, x
    y = next(line[1] for line in lines if line[0] == x) if any(line[0] == x for line in lines) else y
    section = {"opposites": "opposite", "plurals": "plural", "past": "past"}[table]
    return m.ask(section, section, y, True, x=x)


def translation(m):
    """A word of the other language."""
    if m.chance(0.55):
        thing = m.tables.thing(*m.tables.things)
        mine, other = thing.name, thing.other
    else:
        english, japanese = [c.strip() for c in m.rng.choice(m.translations).split("|")]
        mine, other = (japanese, english) if m.ja else (english, japanese)
    if m.chance(0.5):
        return m.ask("translate", "from_ja" if m.ja else "to_ja", other, True, x=mine)
    return m.ask("translate", "to_ja" if m.ja else "from_ja", mine, True, x=other)


def capital(m):
    """Capitals and parts of the world."""
    country, city, part = [c.strip() for c in m.rng.choice(m.tables.knowledge["capitals"]).split("|")]
    draw = m.rng.random()
    if draw < 0.08:
        other = m.rng.choice(m.tables.knowledge["capitals"]).split("|")[1].strip() if m.chance(0.5) else city
        word = ("はい、" if m.ja else "Yes, ") if other == city else "いいえ、" if m.ja else "No, "
        said = m.phrases.pick("capital_answer", x=country, v=city)
        said = said if said.startswith(city) else said[0].lower() + said[1:]
        return m.ask("capital", "is_capital", word + said, True, x=country, v=other)
    if draw < 0.65:
        answer = city if m.chance(0.4) else m.phrases.pick("capital_answer", x=country, v=city)
        return m.ask("capital", "capital", answer, True, x=country)
    if draw < 0.8:
        return m.ask("capital", "capital_of", country if m.chance(0.5) else
                     m.phrases.pick("capital_answer", x=country, v=city), True, v=city)
    answer = f"{country}は{part}にあります。" if m.ja else f"{country[0].upper() + country[1:]} is in {part}."
    return m.ask("capital", "continent", answer, True, x=country)


def knowledge(m):
    """A question of general knowledge out of the table."""
    lines = m.tables.knowledge["knowledge"] + m.tables.knowledge["more"]
    questions, short, full = [c.strip() for c in m.rng.choice(lines).split("=>")]
    question = m.phrases.expand(m.rng.choice([q.strip() for q in questions.split(" | ")]))
    question = m.phrases.ended(question, True, False)
    if short != "-" and m.chance(0.4):
        question, answer = asked(m, question, full, short)
    else:
        answer = full
    return m.one("knowledge", question, answer, may_repeat=True)


def scale(m):
    """Which of two things is bigger, faster, ...: of two that stand in an order."""
    words, things = m.rng.choice(m.tables.knowledge["scales"]).split(" | ")
    more, less = words.split(" ")
    things = things.split("、" if m.ja else ", ")
    low, high = sorted(m.rng.sample(range(len(things)), 2))
    word, right = m.rng.choice([(more, things[high]), (less, things[low])])
    a, b = m.rng.sample([things[low], things[high]], 2)
    other = a if right == b else b
    short = m.chance(0.5)
    if m.ja:
        question = m.rng.choice([f"{a}と{b}では、どちらが{word}ですか。", f"{a}と{b}、どちらのほうが{word}ですか。",
                                 f"{a}と{b}のうち、{word}のはどちらですか。", f"どちらが{word}ですか。{a}ですか、{b}ですか。"])
        return m.one("scale", question, right if short else f"{right}のほうが{word}です。", may_repeat=True)
    question = m.rng.choice([f"Which is {word}, {a} or {b}?", f"What is {word}: {a} or {b}?",
                             f"Is {a} or {b} {word}?", f"Tell me which is {word}, {a} or {b}."])
    answer = right if short else f"{right[0].upper() + right[1:]} is {word} than {other}."
    return m.one("scale", question, answer, may_repeat=True)


def use_of(m):
    """What a tool is used for, and what a person of a job does: out of what the lexicon says."""
    thing = m.tables.thing("tool", "stationery", "kitchen", "job")
    end = {True: ("道具", "人"), False: (" for ", "a person who ")}[m.ja]
    if thing.kind == "job":
        if end[1] not in thing.what:
            return explanation(m)
        if m.ja:
            return m.ask("use", "use_job", f"{thing.name}は、{thing.what}です。", True, x=thing.name)
        does = thing.what.removeprefix(end[1])
        return m.ask("use", "use_job", f"{m.tables.a(thing).capitalize()} {does}.", True, x=m.tables.a(thing))
    if end[0] not in thing.what or m.ja and not thing.what.endswith(end[0]):
        return explanation(m)
    if m.ja:
        return m.ask("use", "use_tool", f"{thing.name}は、{thing.what.removesuffix('道具').rstrip('、')}のに使います。",
                     True, x=thing.name)
    are = "are" if thing.name in ("scissors", "chopsticks") else "is"
    answer = f"{m.tables.a(thing).capitalize()} {are} used for {thing.what.split(' for ', 1)[1]}."
    return m.ask("use", "use_tool", answer, True, x=m.tables.a(thing))


def explanation(m):
    """What a common thing is, or which thing is meant."""
    while True:
        thing = m.tables.thing(*m.tables.things)
        if thing.kind == "family" and m.ja or thing.kind != "country":
            break
    what = thing.what
    kind = m.tables.kind(thing.kind)[0]
    if m.ja:
        what = what or kind
        full = f"{thing.name}は、{what}です。" if what != kind else f"{thing.name}は{kind}の一つです。"
        x = thing.name
    else:
        what = what or ("an " if kind[0] in "aeiou" else "a ") + kind
        x = m.tables.a(thing)
        full = f"{x[0].upper() + x[1:]} is {what}."
        if thing.name in ("chopsticks", "scissors", "trousers", "pliers", "noodles"):
            full = f"{x.capitalize()} are {what}."
    if thing.what and m.chance(0.25):
        return m.ask("what_word", "what_word", x if m.chance(0.5) else thing.name, True, d=what)
    return m.ask("explain", "explain", full, True, x=x, w=thing.name)


TASKS = {"arithmetic": (arithmetic, 2.5), "comparing": (comparing, 1.2), "calendar": (calendar, 1),
         "pairs": (pairs, 1.5), "translation": (translation, 2.5), "capital": (capital, 4),
         "scale": (scale, 1), "use": (use_of, 0.6), "knowledge": (knowledge, 4.5),
         "explanation": (explanation, 3)}
