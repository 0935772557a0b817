"""Tasks over passages of the corpus: find a sentence, a word, a speaker."""
import re

from instructions_copy import japanese_words


def read(m, task, text, question, answer):
    question = m.phrases.ended(question, True, False)
    return m.one(task, m.phrases.reading(text, question[0].upper() + question[1:]), answer, text)


def content_words(m, text):
    """Words that occur once in the text."""
    if m.ja:
        return [w for w in japanese_words(text) if text.count(w) == 1]
    return [w for w in re.findall(r"\b[a-z]{4,12}\b", text) if len(re.findall(w, text)) == 1]


def which_sentence(m):
    """The sentence with a word, or with a beginning, or after another."""
    parts = m.corpus.passage(2, 5, 420)
    text = m.corpus.join(parts)
    at = m.rng.randrange(len(parts))
    words = [w for w in content_words(m, text) if w in parts[at]]
    draw = m.rng.random()
    if draw < 0.45 and words:
        question = m.phrases.pick("which_sentence", x=m.rng.choice(words))
        return read(m, "which_sentence", text, question, parts[at])
    if draw < 0.6 and at + 1 < len(parts):
        question = m.phrases.pick("next_sentence", x=parts[at].rstrip("。."))
        return read(m, "which_sentence", text, question, parts[at + 1])
    beginning = beginning_of(m, parts[at])
    if text.count(beginning) != 1 or beginning == parts[at] or "「" in beginning:
        return which_sentence(m)
    return read(m, "finish_sentence", text, m.phrases.pick("finish_sentence", x=beginning), parts[at])


def beginning_of(m, sentence):
    """The first words of a sentence; Japanese: its first third."""
    if m.ja:
        return sentence[:max(4, len(sentence) // 3)]
    return " ".join(sentence.split()[:m.rng.randint(3, 5)])


def fill_gap(m):
    """The word that is missing in a sentence of the passage."""
    for _ in range(100):
        parts = m.corpus.passage(1, 4, 350)
        text = m.corpus.join(parts)
        at = m.rng.randrange(len(parts))
        words = [w for w in content_words(m, text) if w in parts[at]]
        if words:
            word = m.rng.choice(words)
            gap = m.rng.choice(["（　）", "＿＿", "○○"]) if m.ja else m.rng.choice(["___", "____", "..."])
            shown = parts[at].replace(word, gap)
            return read(m, "fill_gap", text, m.phrases.pick("fill_gap", x=shown), word)
    raise ValueError("corpus: no passage with a word to leave out")


def next_word(m):
    """English: the word after a word."""
    for _ in range(100):
        parts = m.corpus.passage(1, 3, 300)
        words = parts[0].rstrip(".!?").split()
        if len(words) < 3:
            continue
        at = m.rng.randrange(len(words) - 1)
        text = m.corpus.join(parts)
        two = " ".join(words[max(0, at - 1):at + 1])
        if words[at].isalpha() and text.count(two) == 1 and words[at + 1].strip(",;:").isalpha():
            return read(m, "next_word", text, m.phrases.pick("next_word", x=two), words[at + 1].strip(",;:"))
    return fill_gap(m)


def does_contain(m):
    """Whether a word is in the passage."""
    text = m.corpus.join(m.corpus.passage(1, 3, 300))
    words = content_words(m, text)
    yes = m.chance(0.5) and bool(words)
    word = m.rng.choice(words) if yes else m.corpus.word()
    yes = word in text
    if m.ja:
        answer = f"はい、「{word}」は文章にあります。" if yes else f"いいえ、「{word}」は文章にありません。"
    else:
        answer = f'Yes, the text has the word "{word}".' if yes else f'No, the word "{word}" is not in the text.'
    return read(m, "does_contain", text, m.phrases.pick("does_contain", x=word), answer)


def spoken(m):
    """A sentence without quotes and without its full stop."""
    while True:
        s = m.corpus.sentence(6, 70)
        if s[-1] in ".。" and not any(c in s[:-1] for c in "「」“”。.?!？！"):
            return s[:-1]


def who_said(m):
    """Which of some made-up persons said a sentence."""
    people, lines = [], []
    for _ in range(m.rng.randint(2, 4)):
        said = spoken(m)
        people.append((m.tables.person()[0], said))
    if len({p[0].removesuffix("さん") for p in people}) < len(people):
        return who_said(m)
    for name, said in people:
        if m.ja:
            lines.append(m.rng.choice([f"「{said}」と{name}は言いました。", f"{name}は「{said}」と言いました。",
                                       f"{name}「{said}」"]))
        else:
            lines.append(m.rng.choice([f'"{said}," said {name}.', f'{name} said, "{said}."',
                                       f'{name}: "{said}."']))
    name, said = m.rng.choice(people)
    text = m.rng.choice(["\n", "" if m.ja else " "]).join(lines)
    answer = name if m.chance(0.5) else (f"{name}です。" if m.ja else f"{name} said it.")
    return read(m, "who_said", text, m.phrases.pick("who_said", x=said), answer)


TASKS = {"which_sentence": (which_sentence, 4), "fill_gap": (fill_gap, 2.5),
         "does_contain": (does_contain, 1), "who_said": (who_said, 2)}
ENGLISH_TASKS = {"next_word": (next_word, 1)}
