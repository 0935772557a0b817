"""Long talks of many short questions: of the tokens of a talk a third are answers, not a tenth, so
that looking something up in a text is learnt sooner. The kinds of questions are those of the other
modules."""
from instructions_copy import TASKS as COPY
from instructions_events import drawn_events
from instructions_lists import list_n
from instructions_passages import which_sentence
from instructions_reading import choice, drawn_facts, yes_or_no


def followed(m, task, text, questions):
    """A talk that gives a text with the first question, and then asks the others."""
    (first, answer), *others = questions
    talk = m.one(task, m.phrases.reading(text, first), answer, text)
    for question, answer in others:
        talk.turns += [("user", question), ("assistant", answer)]
    return talk


def facts(m):
    """Every fact of a text is asked for, shortly, some twice or as yes or no."""
    found, other, text = drawn_facts(m)
    while len(found) < 3:
        found, other, text = drawn_facts(m)
    questions = []
    for fact in m.rng.sample(found, len(found)):
        draw = m.rng.random()
        if draw < 0.12 and fact.subject in fact.full:
            questions.append(yes_or_no(m, fact))
        elif draw < 0.2:
            questions.append(choice(m, fact))
        else:
            questions.append((fact.question, fact.short if m.chance(0.6) else fact.full))
    if other and m.chance(0.4):
        questions.insert(m.rng.randint(0, len(questions)), (other.question, m.phrases.pick("unknown")))
    return followed(m, "several_questions", text, questions)


def events(m):
    """Three to five events, and every question about them."""
    lines, questions = [], []
    for line, asks in drawn_events(m, m.rng.randint(3, 5)):
        lines.append(line)
        for question, full, short in asks:
            questions.append((m.phrases.ended(question, True, False) if m.ja else question,
                              short if m.chance(0.6) else full))
    m.rng.shuffle(questions)
    return followed(m, "several_questions", m.corpus.join(lines), questions[:10])


def run_on(m, functions, count):
    """Talks of one turn, one behind the other."""
    talk = m.rng.choice(functions)(m)
    while len(talk.turns) < 2 * count:
        talk.turns += m.rng.choice(functions)(m).turns
    talk.material = str(talk.turns)
    return talk


def lists(m):
    """Several lists, each of its own number of things."""
    return run_on(m, [list_n], m.rng.randint(4, 7))


def copies(m):
    """Copy, repeat, first and last, one sentence of several."""
    return run_on(m, [f for f, _ in COPY.values()] + [which_sentence], m.rng.randint(3, 6))


DRILLS = ((facts, 4), (events, 4), (lists, 3), (copies, 3))


def drill(m):
    functions, weights = zip(*DRILLS)
    return m.rng.choices(functions, weights)[0](m)
