"""Long talks of many short questions: of the tokens of a talk a third are answers, not a tenth, so
that looking something up in a text is learnt sooner. The kinds of questions are those of the other
modules."""
from instructions_clauses import how_many, who_did
from instructions_copy import TASKS as COPY
from instructions_copy import change_case, copy, first_or_last, nth_sentence, repeat, short_material
from instructions_events import drawn_events
from instructions_lists import converted, kinds, list_from_text, list_n, rearranged
from instructions_passages import fill_gap, which_sentence
from instructions_reading import choice, drawn_facts, extract, yes_or_no
from instructions_scenes import scene, scene_drill
from instructions_talk import small_talk
from instructions_words import TASKS as WORDS


def followed(m, task, text, questions):
    """A talk that gives a text with the first question, and then asks the others."""
    (first, answer), *others = questions
    talk = m.one(task, m.phrases.reading(text, first), answer, text)
    for question, answer in others:
        talk.turns += [("user", question), ("assistant", answer)]
    return talk


def wished(m, question, full, short, is_short):
    """(question, answer): a short answer only where the question wishes for it."""
    if is_short:
        return question + ("" if m.ja else " ") + m.phrases.pick("short_answer"), short
    return question, full


def facts(m):
    """Every fact of a text is asked for, some as yes or no or as one of two."""
    found, other, text = drawn_facts(m)
    while not 2 <= len(found) <= 4:
        found, other, text = drawn_facts(m)
    questions, short = [], m.chance(0.4)
    for fact in m.rng.sample(found, len(found)):
        draw = m.rng.random()
        if draw < 0.12 and fact.subject in fact.full:
            questions.append(yes_or_no(m, fact))
        elif draw < 0.2:
            questions.append(choice(m, fact))
        else:
            questions.append(wished(m, fact.question, fact.full, fact.short, short))
    if other and m.chance(0.4):
        questions.insert(m.rng.randint(0, len(questions)), (other.question, m.phrases.pick("unknown")))
    return followed(m, "several_questions", text, questions)


def events(m):
    """One to three events, and every question about them."""
    lines, questions, short_ones = [], [], m.chance(0.4)
    for line, asks in drawn_events(m, m.rng.choice([1, 1, 2, 2, 3])):
        lines.append(line)
        for question, full, short in asks:
            questions.append(wished(m, m.phrases.ended(question, True, False), full, short, short_ones))
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
    return run_on(m, [list_n], m.rng.randint(6, 12))


def copies(m):
    """Copy, repeat, first and last, one sentence of several."""
    return run_on(m, [f for f, _ in COPY.values()] + [which_sentence], m.rng.randint(3, 6))


def short_copies(m):
    """Words, names, codes and phrases to be copied."""
    def short_copy(m):
        material, unit = short_material(m)
        return m.one("copy", m.phrases.compose("copy", material, unit), material, material)
    return run_on(m, [short_copy, short_copy, short_copy, copy, repeat], m.rng.randint(6, 10))


def parts(m):
    """The first, the last, one of several; in capital letters; a number out of a sentence."""
    kinds = [first_or_last, first_or_last, nth_sentence, extract, extract]
    return run_on(m, kinds if m.ja else kinds + [change_case], m.rng.randint(4, 7))


def rearrangements(m):
    """Lists that are given, turned round, numbered, counted; and things that a text names."""
    return run_on(m, [rearranged, rearranged, list_from_text], m.rng.randint(4, 7))


def conversions(m):
    """Lists of words that are written in another form."""
    return run_on(m, [converted], m.rng.randint(3, 6))


def scenes(m):
    """Short scenes, one behind the other, each with one question."""
    return run_on(m, [scene], m.rng.randint(4, 7))


def searches(m):
    """Short passages of the corpus, each with one question."""
    return run_on(m, [who_did, who_did, fill_gap] if m.ja else [who_did, who_did, how_many, fill_gap], m.rng.randint(2, 5))


def quiz(m):
    """Small knowledge, one question behind the other."""
    functions, weights = zip(*WORDS.values())
    drawn = m.rng.choices(functions, weights, k=m.rng.randint(5, 12))
    return run_on_all(m, drawn + m.rng.sample([small_talk, small_talk, kinds], m.rng.randint(0, 2)))


def run_on_all(m, functions):
    """One talk of each of the functions, in any order, as one."""
    m.rng.shuffle(functions)
    talk = functions[0](m)
    for function in functions[1:]:
        talk.turns += function(m).turns
    talk.material = str(talk.turns)
    return talk


DRILLS = ((facts, 2), (events, 5), (lists, 3), (copies, 2), (short_copies, 3), (parts, 3), (rearrangements, 3.5),
          (conversions, 2), (scene_drill, 4.5), (scenes, 2),
          (searches, 2), (quiz, 3.5))


def drill(m):
    functions, weights = zip(*DRILLS)
    return m.rng.choices(functions, weights)[0](m)
