"""Tasks of copying: exactly, several times, a part, with a change."""
from instructions_corpus import JAPANESE_WORD
from instructions_tables import DIGITS, ORDINALS


def short_material(m):
    """(material, unit): a word or a phrase."""
    draw = m.rng.random()
    if draw < 0.2:
        return m.corpus.word(), "word"
    if draw < 0.3:
        return ("" if m.ja else " ").join(m.corpus.word() for _ in range(m.rng.randint(2, 5))), "phrase"
    if draw < 0.4:
        return m.tables.thing(*m.tables.things).name, "word"
    if draw < 0.5:
        return m.tables.word_of_syllables(), "word"
    if draw < 0.6:
        return m.tables.code(), "code"
    if draw < 0.7:
        t = m.tables
        return m.rng.choice([t.email, t.phone, t.date, t.price, t.time, t.anyone, lambda: t.person()[0], t.town,
                             lambda: t.anyone() + ("" if m.ja else " ") + t.anyone()])(), "line"
    return phrase(m), "phrase"


def phrase(m):
    """Some words of a sentence of the corpus."""
    s = m.corpus.sentence(14, 120)
    if m.ja:
        parts = [p for p in s.strip("。！？「」").split("、")
                 if 2 <= len(p) <= 25 and not set(p) & set("。「」！？")]
        return m.rng.choice(parts) if parts else s.strip("。")
    words = s.rstrip(".!?").split()
    count = min(m.rng.randint(2, 6), len(words))
    start = m.rng.randrange(len(words) - count + 1)
    return " ".join(words[start:start + count]).strip(",;:")


def copy(m):
    """Copy a word, a phrase, a sentence, or some lines."""
    draw = m.rng.random()
    if draw < 0.35:
        material, unit = short_material(m)
    elif draw < 0.85:
        material, unit = m.corpus.sentence(), m.rng.choice(["sentence", "sentence", "line", "text"])
    elif draw < 0.93:
        material, unit = m.corpus.join(m.corpus.passage(2, 3, 260)), "text"
    else:
        material = "\n".join(m.corpus.sentence(0, 80) for _ in range(m.rng.randint(2, 4)))
        unit = "text"
    return m.one("copy", m.phrases.compose("copy", material, unit), material, material)


def times(m, n):
    """n times, as words."""
    if m.ja:
        return m.rng.choice([f"{n}回", f"{DIGITS['ja'][n]}回", f"{n}度"])
    return {2: m.rng.choice(["twice", "two times", "2 times"])}.get(n, f"{m.number_text(n)} times")


def repeat(m):
    """Write something n times, on a line or on lines."""
    material, unit = short_material(m)
    n = m.rng.randint(2, 5)
    if m.chance(0.5):
        prompt = m.phrases.compose("repeat_n_lines", material, unit, times=times(m, n),
                                   count=m.number_text(n))
        return m.one("repeat", prompt, "\n".join([material] * n), material)
    prompt = m.phrases.compose("repeat_n", material, unit, times=times(m, n))
    spaced = not m.ja or "空白" in prompt or "スペース" in prompt
    return m.one("repeat", prompt, (" " if spaced else "、").join([material] * n), material)


def first_or_last(m):
    """The first or last word (Japanese: characters) of a sentence, or sentence of a text."""
    where = m.rng.choice(["first", "last"])
    if m.chance(0.5):
        parts = m.corpus.passage(2, 5, 400)
        prompt = m.phrases.compose(where + "_sentence", m.corpus.join(parts), "text")
        return m.one("part", prompt, parts[0] if where == "first" else parts[-1], parts[0])
    s = m.corpus.sentence(8, 90).replace("「", "").replace("」", "")
    if m.ja:
        c = m.rng.randint(2, 5)
        bare = s.rstrip("。！？")
        answer = bare[:c] if where == "first" else bare[-c:]
        shown = s if where == "first" and m.chance(0.5) else bare
        prompt = m.phrases.compose(where + "_word", shown, "sentence", c=c)
    else:
        words = s.rstrip(".!?").split()
        answer = (words[0] if where == "first" else words[-1]).strip(",;:\"”“'’‘")
        prompt = m.phrases.compose(where + "_word", s, "sentence")
    return m.one("part", prompt, answer, s)


def nth_sentence(m):
    parts = m.corpus.passage(3, 5, 400)
    n = m.rng.randrange(len(parts))
    prompt = m.phrases.compose("nth_sentence", m.corpus.join(parts), "text",
                               nth=ORDINALS[m.lang][n], n=n + 1)
    return m.one("part", prompt, parts[n], parts[0])


def letters(m):
    """The first letter of a word, or all with hyphens."""
    word = m.rng.choice([m.corpus.word(), m.tables.thing(*m.tables.things).name.split()[0],
                         m.tables.word_of_syllables(2, 3)])
    if m.chance(0.5):
        return m.one("letters", m.phrases.compose("first_letter", word, "word"), word[0], word)
    return m.one("letters", m.phrases.compose("letters", word, "word"), "-".join(word), word)


def change_case(m):
    """English: upper or lower case."""
    way = m.rng.choice(["upper", "lower"])
    material, unit = short_material(m) if m.chance(0.6) else (m.corpus.sentence(10, 70), "sentence")
    if way == "upper":
        return m.one("case", m.phrases.compose(way, material, unit), material.upper(), material)
    return m.one("case", m.phrases.compose(way, material.upper(), unit), material.lower(), material)


def replace_word(m):
    """Copy a sentence with one word changed."""
    for _ in range(100):
        s = m.corpus.sentence(12, 80)
        thing = m.corpus.word() if m.ja else m.rng.choice(s.rstrip(".!?").split()).strip(",;:")
        if m.ja:
            found = [w for w in japanese_words(s) if s.count(w) == 1]
            if not found:
                continue
            thing = m.rng.choice(found)
        elif len(thing) < 3 or s.count(thing) != 1 or not thing.isalpha() or thing[0].isupper():
            continue
        new = m.corpus.word()
        prompt = m.phrases.compose("replace_word", s, "sentence", x=thing, y=new)
        return m.one("replace", prompt, s.replace(thing, new), s)
    raise ValueError("corpus: no sentence with a word to replace")


def japanese_words(text):
    """Runs of kanji or of katakana: what can be cut out of a Japanese sentence as a word."""
    return JAPANESE_WORD.findall(text)


TASKS = {"copy": (copy, 15), "repeat": (repeat, 7), "first_or_last": (first_or_last, 7),
         "nth_sentence": (nth_sentence, 3), "letters": (letters, 1), "replace": (replace_word, 1.5)}
ENGLISH_TASKS = {"case": (change_case, 5)}
