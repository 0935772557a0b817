"""Tasks of reading: made-up events and forms, and a question about one of them."""
from instructions_reading import asked, plain_style
from instructions_tables import plural


def card(m):
    """A form of lines, a label and a value each, and a question about one line."""
    lines = [[c.strip() for c in line.split(" ;; ")] for line in m.tables.facts["cards"]]
    lines = m.rng.sample(lines, m.rng.randint(3, 7))
    mark = m.rng.choice(["：", ": ", "：", "・"] if m.ja else [": ", ": ", " - ", " = "])
    rows, questions = [], []
    for label, kind, question, full, short in lines:
        value, with_a, _ = m.tables.value(kind)
        texts = [m.phrases.expand(t, v=value, a_v=with_a).replace(" .", ".") for t in (question, full, short)]
        rows.append(label + mark + texts[2].removeprefix("the ").removeprefix("a ").removeprefix("an "))
        questions.append([m.phrases.ended(texts[0], True, False)] + texts[1:])
    chosen = m.rng.randrange(len(rows))
    text = m.rng.choice(["\n", "\n", "\n", "、" if m.ja else "; "]).join(rows)
    if m.chance(0.12):
        missing = questions.pop(chosen)[0]
        rows.pop(chosen)
        text = "\n".join(rows)
        return m.one("not_in_text", m.phrases.reading(text, missing), m.phrases.pick("unknown"), text)
    question, answer = asked(m, *questions[chosen])
    return m.one("answer_from_text", m.phrases.reading(text, question), answer, text)


def drawn_events(m, count):
    """Yields the sentence of each of so many events, and its questions, to be taken before the next event:
    (question, full answer, short one)."""
    people = set()
    for template in m.rng.sample(m.tables.facts["events"], count):
        statement, *asks = [c.strip() for c in template.split(" ;; ")]
        slots = event_slots(m, people)
        said = m.phrases.expand(statement, **slots)
        yield said[0].upper() + said[1:], ([m.phrases.expand(t.strip(), **slots) for t in ask.split("=>")]
                                           for ask in asks)


def event(m):
    """One to four events, and a question about one."""
    lines, questions = [], []
    for line, asks in drawn_events(m, m.rng.randint(1, 4)):
        lines.append(line)
        questions += asks
    question, full, short = m.rng.choice(questions)
    if m.ja:
        question = m.phrases.ended(question, True, False)
    question, answer = asked(m, question, full, short)
    if m.chance(0.25):
        lines.insert(0, m.phrases.expand(m.rng.choice(m.tables.facts["fillers"])))
    if m.ja and m.chance(0.35):
        lines = [plain_style(line, "だ。") for line in lines]
    text = m.corpus.join(lines)
    return m.one("answer_from_text", m.phrases.reading(text, question), answer, text)


def event_slots(m, people):
    """What fills the templates of events; no person comes twice in a text."""
    t = m.tables

    def someone():
        while True:
            name = t.anyone()
            if name.removesuffix("さん") not in people:
                people.add(name.removesuffix("さん"))
                return name
    thing, animal, flower, tool = t.object(), t.thing("animal"), t.thing("flower"), t.thing("tool")
    while tool.name == thing.name:
        tool = t.thing("tool")
    spot = m.phrases.expand(m.rng.choice(t.facts["spots"]), furniture=t.thing("furniture").name,
                            room=t.thing("room").name, place=t.thing("place").name)
    colours = m.rng.sample(t.things["colour"], 2)
    n, other = m.rng.sample(range(2, 30), 2)
    return {"a": someone(), "b": someone(), "thing": thing.name, "a_thing": t.a(thing),
            "things": thing.name if m.ja else plural(thing.name), "spot": spot, "animal": animal.name,
            "a_animal": t.a(animal), "place": t.thing("place").name, "food": t.thing("dish").name,
            "drink": t.thing("drink").name, "colour": colours[0].name, "colour2": colours[1].name,
            "day": t.day(), "month": t.month(), "tool": tool.name, "a_tool": t.a(tool), "n": n, "m": other,
            "flower": flower.name, "a_flower": t.a(flower), "town": t.town(),
            "event": m.rng.choice(t.facts["event_kinds"]), "date": t.date(), "email": t.email(), "phone": t.phone(),
            **more_slots(m)}


def more_slots(m):
    """Pairs of values that differ, and what else events speak of."""
    t = m.tables

    def two(draw):
        first = second = draw()
        while second == first:
            second = draw()
        return first, second
    pairs = {"day": two(t.day), "place": two(lambda: t.thing("place").name), "town": two(t.town), "price": two(t.price),
             "time": two(t.time), "instrument": two(lambda: t.thing("instrument").name),
             "pet": two(lambda: m.rng.choice(t.facts["pet_names"]))}
    slots = {"pet1": pairs["pet"][0], "pet2": pairs["pet"][1]}
    for name in ("day", "place", "town", "price", "time", "instrument"):
        slots[name], slots[name + "2"] = pairs[name]
    job = t.thing("job")
    slots.update(job=job.name, a_job=t.a(job), furniture=t.thing("furniture").name, vehicle=t.thing("vehicle").name,
                 subject=t.thing("subject").name)
    return slots


TASKS = {"event": (event, 22), "card": (card, 3)}
