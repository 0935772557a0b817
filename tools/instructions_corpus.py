"""Sentences and paragraphs of prose out of the corpus, as material of instructions."""
import json
import re

from instructions_phrases import DATA, read_sections

WINDOW = 6000           # characters taken at one place of a document
LONG_DOCUMENT = 20000   # characters for which one more place is taken
MOST_WINDOWS = 60

ABBREVIATION = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|Prof|Capt|Col|Gen|Sen|Rev|Hon|No|vol|pp?|etc|e\.g|i\.e|vs"
                          r"|[A-Z])\.$")
ENGLISH_END = re.compile(r"[.!?][\"”’')]*\s+(?=[A-Z\"“‘])")
MARKUP = re.compile(r"[|{}<>`\\^~=_*#\[\]@$%+/]|\.\.\.\.|  |--|https?:|《|》|［|］|｜|※|〔|〕|＝|■|●|…{3}|\t")
JAPANESE_WORD = re.compile(r"(?<![一-龥々])[一-龥々]{2,4}(?=[をがはにへとでのもや、。」])"
                           r"|(?<![ァ-ヴー])[ァ-ヴー]{3,8}(?![ァ-ヴー])")
READ_NAME = {"en": re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,9}\b(?! [A-Z])"),
             "ja": re.compile(r"(?:(?<![一-龥々])[一-龥々]{2,3}|(?<![ァ-ヴー])[ァ-ヴー]{2,6})(?=さん|君|氏|夫人)")}
HIRAGANA = re.compile(r"[ぁ-ん]")
OLD_KANA = re.compile(r"[ゐゑヰヱゝゞ]|ゝ|ふて|云ひ|思ひ|でせう|ませう|やうに|のやうな|といふ|つてゐ|してゐ|ぢや")


def sentences_en(paragraph):
    """English sentences; an abbreviation ends none."""
    parts, start = [], 0
    for end in ENGLISH_END.finditer(paragraph):
        piece = paragraph[start:end.end()].strip()
        if ABBREVIATION.search(piece):
            continue
        parts.append(piece)
        start = end.end()
    parts.append(paragraph[start:].strip())
    return [p for p in parts if p]


def sentences_ja(paragraph):
    """Japanese sentences; what is said in brackets stays in one piece."""
    parts, depth, piece = [], 0, ""
    for i, char in enumerate(paragraph):
        piece += char
        depth += (char in "「『（") - (char in "」』）")
        ends = char in "。！？" or char in "」』" and depth == 0 and i + 1 == len(paragraph)
        if ends and depth <= 0 and not paragraph[i + 1:i + 2] in tuple("。！？」』）"):
            parts.append(piece.strip())
            piece, depth = "", 0
    if piece.strip():
        parts.append(piece.strip())
    return parts


def is_prose(text, lang):
    """Whether a paragraph reads as plain sentences, without markup."""
    if MARKUP.search(text):
        return False
    if lang == "ja":
        return (text[-1] in "。！？」" and not OLD_KANA.search(text)
                and len(HIRAGANA.findall(text)) > 0.3 * len(text)
                and text.count("「") == text.count("」")
                and not re.search(r"[\u3000A-Za-z]{3}|[（）]", text))
    letters = sum(c.isascii() and (c.isalpha() or c == " ") for c in text)
    straight = text.count('"') % 2 == 0 and text.count("“") == text.count("”")
    return text[0].isupper() and text[-1] in ".!?" and letters > 0.93 * len(text) and straight


class Corpus:
    """Prose of one language: paragraphs as lists of sentences; sentence() gives one of a length."""

    def __init__(self, path, lang, rng, most_paragraphs):
        self.lang, self.rng = lang, rng
        self.split = sentences_ja if lang == "ja" else sentences_en
        unwelcome = read_sections(DATA / "unwelcome.txt")[lang]
        self.unwelcome = re.compile("|".join(map(re.escape, unwelcome)), re.IGNORECASE)
        self.paragraphs = self._read(path, most_paragraphs)
        self.sentences = [s for p in self.paragraphs for s in p if self._whole(s)]
        if not self.sentences:
            raise ValueError(f"{path}: expected paragraphs of prose in {lang}, found none")
        self.words = self._content_words()
        self.names = sorted({n for p in self.paragraphs for s in p for n in READ_NAME[lang].findall(s)})

    def _windows(self, text):
        if len(text) <= WINDOW:
            return [text]
        count = min(MOST_WINDOWS, 1 + len(text) // LONG_DOCUMENT)
        starts = [self.rng.randrange(len(text) - WINDOW + 1) for _ in range(count)]
        return [text[s:s + WINDOW].partition("\n")[2].rpartition("\n")[0] for s in starts]

    def _read(self, path, most):
        """A sample of all paragraphs of prose, each kept with equal probability."""
        kept, seen = [], 0
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                document = json.loads(line)
                if document.get("style") == "old":
                    continue
                for window in self._windows(document["text"]):
                    for paragraph in self._prose(window):
                        seen += 1
                        if len(kept) < most:
                            kept.append(paragraph)
                        elif (at := self.rng.randrange(seen)) < most:
                            kept[at] = paragraph
        return kept

    def _prose(self, window):
        joined = re.sub(r"(?<!\n)\n(?!\n)", " ", window) if self.lang == "en" else window
        for paragraph in joined.split("\n"):
            paragraph = paragraph.strip(" \u3000\r")
            if 12 <= len(paragraph) <= 900 and is_prose(paragraph, self.lang) and \
                    not self.unwelcome.search(paragraph):
                yield self.split(paragraph)

    def _whole(self, s):
        if self.lang == "ja":
            return (6 <= len(s) <= 90 and s[-1] in "。！？」" and s[0] not in "」、。"
                    and s.count("「") == s.count("」"))
        return 12 <= len(s) <= 200 and s[0].isupper() and s[-1] in ".!?" and '"' not in s

    def _content_words(self):
        """Words that materials may be made of: plain, lower case, or runs of kanji or katakana."""
        pattern = JAPANESE_WORD if self.lang == "ja" else r"\b[a-z]{4,11}\b"
        found = set()
        for s in self.rng.sample(self.sentences, min(20000, len(self.sentences))):
            found.update(re.findall(pattern, s))
        return sorted(found)

    def word(self):
        return self.rng.choice(self.words)

    def sentence(self, shortest=0, longest=200):
        """A random sentence of that many characters."""
        for _ in range(400):
            s = self.rng.choice(self.sentences)
            if shortest <= len(s) <= longest:
                return s
        raise ValueError(f"corpus: no sentence of {shortest} to {longest} characters")

    def passage(self, fewest=2, most=6, longest=500):
        """Consecutive sentences of one paragraph."""
        for _ in range(2000):
            p = self.rng.choice(self.paragraphs)
            if len(p) < fewest:
                continue
            count = self.rng.randint(fewest, min(most, len(p)))
            start = self.rng.randrange(len(p) - count + 1)
            part = p[start:start + count]
            if len("".join(part)) <= longest and all(self._whole(s) for s in part):
                return part
        raise ValueError(f"corpus: no passage of {fewest} to {most} sentences")

    def join(self, parts):
        return ("" if self.lang == "ja" else " ").join(parts)
