"""The vocabulary of issun's own embedder: how a text becomes tokens.

Kanji, katakana and digits are one token each, so that a name is cut alike wherever it stands;
frequent runs of hiragana and English word pieces are longer tokens. The file form is Unigram
(`tokenizer.ggml.model` t5) with a character map that applies NFKC, lowers case, drops Latin accents
and makes runs of white space one space. Texts are cut as Viterbi's algorithm with those scores does.
"""
import collections
import math
import re
import unicodedata

SPACE = "▁"
SPECIAL = ["<s>", "</s>", "<unk>", "<pad>"]
BOS, EOS, UNK, PAD = range(4)
NORMAL, UNKNOWN, CONTROL = 1, 2, 3  # tokenizer.ggml.token_type
SINGLE_SCORE = -10.0  # of a character outside hiragana and Latin: no other way to cut it
CLASSES = {"special": 0, "kanji": 1, "katakana": 2, "hiragana": 3, "latin": 4, "digit": 5,
           "mark": 6, "space": 7}
RUNS = re.compile(r"[ぁ-ゖ]+|▁?[a-z]+(?:'[a-z]+)?|.", re.S)


def character_map():
    """Replaced text -> replacement, of what NFKC, lower case and white space change."""
    ranges = [(0x20, 0x2FFF), (0x3000, 0x33FF), (0xF900, 0xFAFF), (0xFE30, 0xFE4F),
              (0xFF00, 0xFFEF)]
    dashes = dict.fromkeys("‐‑‒–—―−", "-") | dict.fromkeys("’‘ʼ", "'") | dict.fromkeys("“”", '"')
    table = {}
    for first, last in ranges:
        for code in range(first, last + 1):
            character = chr(code)
            if unicodedata.category(character) in ("Cn", "Cs", "Co"):
                continue
            text = unicodedata.normalize("NFKC", dashes.get(character, character)).lower()
            if "LATIN" in unicodedata.name(character, ""):
                text = "".join(c for c in unicodedata.normalize("NFD", text)
                               if not unicodedata.combining(c))
            text = " " if not text.strip() or text == "\u3000" else text.replace("〜", "~")
            if text != character:
                table[character] = text
    table |= {chr(code): " " for code in (9, 10, 11, 12, 13, 0xFEFF, 0x200B)}
    for kana in range(0x3041, 0x30FF):  # a kana and the voicing mark after it
        for mark in "\u3099\u309a":
            one = unicodedata.normalize("NFKC", chr(kana) + mark)
            if len(one) == 1:
                table[chr(kana) + mark] = one
    for kana in range(0xFF66, 0xFF9E):
        for mark in "ﾞﾟ":
            one = unicodedata.normalize("NFKC", chr(kana) + mark)
            if len(one) == 1:
                table[chr(kana) + mark] = one
    for blank in (" ", "\n", "\u3000"):
        for count in range(2, 9):
            table[blank * count] = " "
    return table


def charsmap_bytes(table):
    """The table as SentencePiece stores it: a double array (XOR form of Darts-clone), then texts."""
    replacements, starts, keys = bytearray(), {}, []
    for text in sorted(table, key=lambda t: t.encode()):
        to = table[text]
        if to not in starts:
            starts[to] = len(replacements)
            replacements += to.encode() + b"\0"
        keys.append((text.encode(), starts[to]))
    units, used, bases = [0] * 256, [True] + [False] * 255, set()

    def free_base(labels):
        first = 0
        while True:
            if first >= len(units):
                units.extend([0] * 256)
                used.extend([False] * 256)
            base = first ^ labels[0]
            if not used[first] and base not in bases and not any(used[base ^ b] for b in labels):
                bases.add(base)
                return base
            first += 1

    def place(group, unit, depth):
        ends = len(group[0][0]) == depth
        labels = [0] if ends else []
        ranges = collections.OrderedDict()
        for key in group[1:] if ends else group:
            ranges.setdefault(key[0][depth], []).append(key)
        labels += list(ranges)
        base = free_base(labels)
        units[unit] |= (unit ^ base) << 10 | (256 if ends else 0)
        for label in labels:
            used[base ^ label] = True
            units[base ^ label] = label
        if ends:
            units[base] = group[0][1] | 1 << 31
        for label, below in ranges.items():
            place(below, base ^ label, depth + 1)

    place(keys, 0, 0)
    array = b"".join(unit.to_bytes(4, "little") for unit in units)
    return len(array).to_bytes(4, "little") + array + bytes(replacements)


def token_class(piece):
    """One of CLASSES, by the first character that tells."""
    bare = piece.lstrip(SPACE)
    if not bare:
        return CLASSES["space"]
    c = bare[0]
    if "ぁ" <= c <= "ゖ":
        return CLASSES["hiragana"]
    if "ァ" <= c <= "ヺ" or c == "ー":
        return CLASSES["katakana"]
    if "\u3400" <= c <= "\u9fff" or c in "々〆ヶ":
        return CLASSES["kanji"]
    if c.isdigit():
        return CLASSES["digit"]
    return CLASSES["latin"] if c.isalpha() else CLASSES["mark"]


class Vocabulary:
    """Pieces with scores; `encode` gives the ids of a text without <s>."""

    def __init__(self, pieces, scores):
        self.pieces, self.scores = list(pieces), list(scores)
        self.table = character_map()
        self.ids = {piece: i for i, piece in enumerate(self.pieces)}
        self.longest = max(map(len, self.pieces))
        self.replaced = re.compile("|".join(
            re.escape(t) for t in sorted(self.table, key=len, reverse=True) if len(t) > 1))
        self.single = {ord(t): to for t, to in self.table.items() if len(t) == 1}
        self.cache = {}

    def normalise(self, text):
        text = self.replaced.sub(lambda m: self.table[m.group()], text)
        return text.translate(self.single).replace(" ", SPACE)

    def encode(self, text):
        out = []
        for run in RUNS.findall(self.normalise(text)):
            ids = self.cache.get(run)
            if ids is None:
                ids = self.cache[run] = self.cut(run)
            if ids == [UNK] and out and out[-1] == UNK:
                continue  # a run of unknown characters is one token
            out.extend(ids)
        return out

    def cut(self, run):
        """The best way to cut a run, whose sum of scores is greatest."""
        best = [(0.0, 0, UNK)] + [(-math.inf, 0, UNK)] * len(run)
        for start in range(len(run)):
            for end in range(start + 1, min(len(run), start + self.longest) + 1):
                token = self.ids.get(run[start:end])
                if token is None and end > start + 1:
                    continue
                score = -100.0 if token is None else self.scores[token]
                if best[start][0] + score > best[end][0]:
                    best[end] = (best[start][0] + score, start, UNK if token is None else token)
        ids, end = [], len(run)
        while end:
            ids.append(best[end][2])
            end = best[end][1]
        return ids[::-1]


def learn_pieces(counts, number, longest, least):
    """Unigram pieces of runs (run -> count) by expectation and maximisation: piece -> score.

    Starts from the most frequent substrings by count times length; every character stays."""
    grams = collections.Counter()
    for run, count in counts.items():
        for start in range(len(run)):
            for end in range(start + 1, min(len(run), start + longest) + 1):
                grams[run[start:end]] += count
    keep = [g for g, c in grams.items() if len(g) == 1 or c >= least]
    keep.sort(key=lambda g: (len(g) > 1, -grams[g] * len(g)))
    total = sum(grams[g] for g in keep)
    pieces = {g: math.log(grams[g] / total) for g in keep[:number * 4]}
    for size in (number * 2, number * 3 // 2, number, number):
        cutter = Vocabulary.__new__(Vocabulary)
        cutter.pieces, cutter.scores = list(pieces), list(pieces.values())
        cutter.ids = {p: i for i, p in enumerate(cutter.pieces)}
        cutter.longest = longest
        uses = collections.Counter()
        for run, count in counts.items():
            for token in cutter.cut(run):
                uses[token] += count
        order = sorted(range(len(pieces)), key=lambda i: (len(cutter.pieces[i]) > 1, -uses[i]))
        total = sum(uses.values())
        pieces = {cutter.pieces[i]: math.log(max(uses[i], 0.5) / total) for i in order[:size]}
    return pieces


def build_vocabulary(texts, size, hiragana_size, rarest):
    """A vocabulary of `size` tokens: characters that occur `rarest` times and all of JIS level 1,
    `hiragana_size` pieces of hiragana, English pieces for the rest."""
    empty = Vocabulary(SPECIAL, [0.0] * len(SPECIAL))
    characters, hiragana, latin = collections.Counter(), collections.Counter(), collections.Counter()
    for text in texts:
        for run, count in collections.Counter(RUNS.findall(empty.normalise(text))).items():
            if "ぁ" <= run[0] <= "ゖ":
                hiragana[run] += count
            elif re.fullmatch(r"▁?[a-z']+", run):
                latin[run] += count
            characters.update({c: count for c in run})
    jis = [bytes([0xA0 + row, 0xA0 + cell]).decode("euc_jp") for row in range(16, 48)
           for cell in range(1, 95) if row < 47 or cell < 52]
    # Kana, ASCII and digits are there whatever the texts have.
    sure = [chr(c) for c in range(0x21, 0x7F) if not chr(c).isupper()]
    sure += [chr(c) for c in [*range(0x3041, 0x3097), *range(0x30A1, 0x30FB), 0x30FC, 0x3005]]
    singles = dict.fromkeys(sure + jis + [SPACE, "、", "。", "「", "」", "・"])
    singles.update(dict.fromkeys(c for c, n in characters.most_common() if n >= rarest))
    kana = learn_pieces(collections.Counter(dict(hiragana.most_common(60000))), hiragana_size, 5, 50)
    room = size - len(SPECIAL) - len(singles.keys() | kana.keys())
    english = learn_pieces(collections.Counter(dict(latin.most_common(40000))), room + 40, 12, 20)
    scores = {c: SINGLE_SCORE for c in singles} | kana | english
    pieces = SPECIAL + list(scores)
    return Vocabulary(pieces[:size], ([0.0] * len(SPECIAL) + list(scores.values()))[:size])
