"""Small talk, what was told before, and talks of several instructions."""
from instructions_maker import Talk


def small_talk(m):
    """Greetings, who are you, what can you do, what cannot be known."""
    said, answers = m.talk["talk"][m.rng.randrange(len(m.talk["talk"]))].split(" => ")
    name = m.tables.person()[0].removesuffix("さん")
    prompt = m.phrases.expand(m.rng.choice(split_outside(said)), X=name)
    answer = m.phrases.expand(m.rng.choice(answers.split(" | ")), X=name)
    return m.one("small_talk", prompt, answer, may_repeat=True)


def split_outside(text):
    """Alternatives by " | " outside of brackets."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        depth += (c == "[") - (c == "]")
        if depth == 0 and text.startswith(" | ", i):
            parts.append(text[start:i])
            start = i + 3
    return parts + [text[start:]]


def memory(m):
    """Something is told, and asked for in a later turn."""
    slots = {"X": m.tables.person()[0].removesuffix("さん"), "T": m.tables.town(), "C": m.tables.thing("colour").name,
             "P": m.tables.a(m.tables.pet()), "J": m.tables.a(m.tables.thing("job"))}
    told = [line.split(" => ") for line in m.talk["memory_tell"]]
    asks = {k: (q, a) for k, q, a in (line.split(" => ") for line in m.talk["memory_ask"])}
    chosen = m.rng.sample(told, m.rng.randint(1, 3))
    turns = []
    for lines, _ in chosen:
        turns.append(("user", m.phrases.expand(m.rng.choice(lines.split(" | ")), **slots)))
        turns.append(("assistant", m.rng.choice(m.talk["memory_reply"])))
    if m.chance(0.3):
        between = small_talk(m)
        turns += between.turns
    key = m.rng.choice(chosen)[1].strip()
    questions, answers = asks[key]
    turns.append(("user", m.phrases.expand(m.rng.choice(questions.split(" | ")), **slots)))
    turns.append(("assistant", m.phrases.expand(m.rng.choice(answers.split(" | ")), **slots)))
    return Talk("memory", m.lang, turns, " ".join(c for _, c in turns))


def joined(m, talks):
    """Talks of one instruction each as one talk."""
    turns = [turn for talk in talks for turn in talk.turns]
    return Talk("several_turns", m.lang, turns, talks[0].material)


TASKS = {"small_talk": (small_talk, 4.5), "memory": (memory, 1.2)}
