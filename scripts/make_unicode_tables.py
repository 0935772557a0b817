#!/usr/bin/env python3
"""Writes the tables of src/tokenizer/unicode.cpp and of src/train from the files of the Debian package unicode-data.

usage: make_unicode_tables.py classes|bases|lower [UnicodeData.txt] > src/tokenizer/unicode_X.inc
       make_unicode_tables.py nfkc|compositions [UnicodeData.txt] > src/train/tokenizer_X.inc
       make_unicode_tables.py scripts [Scripts.txt] > src/train/tokenizer_scripts.inc

classes (unicode_classes.inc): each entry is (first code point << 4) | class and holds until the next entry.
Classes are the major general categories; the numbers are those of CharClass in src/tokenizer/unicode.h.
bases (unicode_bases.inc): runs of code points and the first code point of their canonical decomposition
(NFD), without the Hangul syllables, which follow a formula.
lower (unicode_lower.inc): runs of code points and their simple lower case.
A run is {first, last, step, image of the first}: from first to last in steps, the image going along with
the code point, or staying where step is 0.
nfkc: code points and the text that each becomes in Normalization Form KC, where it is another; without the
Hangul syllables, which stay.
compositions: two code points and the one that they compose to, without Hangul.
scripts: each entry is (first code point << 8) | script and holds until the next entry. Scripts are numbered by
their names, but 0 is Common and what has none, 1 is Inherited, and 2 is Han, Hiragana, Katakana and the marks
of kana, as SentencePiece sees Japanese.
"""
import sys

CLASSES = {"L": 0, "N": 1, "M": 2, "P": 3, "S": 4, "Z": 5, "C": 6}
UNASSIGNED = 7
END = 0x110000

# Assigned in Unicode 15.1, one version after the one Debian 12 packages: models trained since know them.
LATER = [
    (0x2FFC, 0x2FFF, "S"),  # ideographic description characters
    (0x31EF, 0x31EF, "S"),
    (0x2EBF0, 0x2EE5D, "L"),  # CJK unified ideographs extension I
]


def classes(path):
    table = [UNASSIGNED] * END
    first = None
    with open(path, encoding="ascii") as lines:
        for line in lines:
            code, name, category = line.split(";")[:3]
            code = int(code, 16)
            if name.endswith(", First>"):
                first = code
                continue
            start = first if name.endswith(", Last>") else code
            for c in range(start, code + 1):
                table[c] = CLASSES[category[0]]
    for start, last, category in LATER:
        for c in range(start, last + 1):
            if table[c] == UNASSIGNED:
                table[c] = CLASSES[category]
    return table


def mappings(path, column):
    """Code point -> what is in that column: the first code point of a decomposition, or the lower case."""
    mapping = {}
    with open(path, encoding="ascii") as lines:
        for line in lines:
            fields = line.split(";")
            image = fields[column].strip()
            if image and not image.startswith("<"):  # <compat> and the like are no canonical decompositions
                mapping[int(fields[0], 16)] = int(image.split()[0], 16)
    return mapping


def bases(path):
    mapping = mappings(path, 5)
    for code in list(mapping):
        while mapping[code] in mapping:
            mapping[code] = mapping[mapping[code]]
    return mapping


def runs(mapping):
    """[first, last, step, image]; a run goes on as long as the same step and rule hold."""
    table = []
    for code in sorted(mapping):
        image = mapping[code]
        if table:
            first, last, step, start = table[-1]
            gap = code - last
            if image == start and (step == 0 or first == last) and gap == 1:
                table[-1] = [first, code, 0, start]
                continue
            if image - code == start - first and step != 0 and gap <= 2 and (first == last or gap == step):
                table[-1] = [first, code, gap, start]
                continue
        table.append([code, code, 1, image])
    return table


class Composer:
    """Normalization Form KC, by Unicode 15 sections 3.7, 3.11 and 3.12."""

    def __init__(self, path):
        self.parts, self.order, canonical = {}, {}, {}
        with open(path, encoding="ascii") as lines:
            for line in lines:
                fields = line.split(";")
                code = int(fields[0], 16)
                if fields[3] != "0":
                    self.order[code] = int(fields[3])
                if not fields[5]:
                    continue
                tagged = fields[5].startswith("<")
                self.parts[code] = [int(p, 16) for p in fields[5].split()[1 if tagged else 0:]]
                if not tagged and len(self.parts[code]) == 2:
                    canonical[code] = tuple(self.parts[code])
        excluded = self.excluded(path)
        self.pairs = {pair: code for code, pair in canonical.items()
                      if code not in excluded and not self.order.get(code) and not self.order.get(pair[0])}

    @staticmethod
    def excluded(path):
        with open(path.replace("UnicodeData", "CompositionExclusions"), encoding="utf-8") as lines:
            return {int(line.split()[0], 16) for line in lines if line[0] not in "#\n"}

    def decomposed(self, code):
        return [d for p in self.parts[code] for d in self.decomposed(p)] if code in self.parts else [code]

    @staticmethod
    def syllable(left, right):
        """What two parts of Hangul compose to, or None."""
        if 0x1100 <= left < 0x1113 and 0x1161 <= right < 0x1176:
            return 0xAC00 + ((left - 0x1100) * 21 + right - 0x1161) * 28
        if 0xAC00 <= left < 0xAC00 + 19 * 21 * 28 and (left - 0xAC00) % 28 == 0 and 0x11A7 < right < 0x11C3:
            return left + right - 0x11A7
        return None

    def normalised(self, code):
        text = self.decomposed(code)
        for i in range(len(text)):  # canonical order: marks sorted between characters that are none
            j = i
            while j > 0 and 0 < self.order.get(text[j], 0) < self.order.get(text[j - 1], 0):
                text[j - 1], text[j] = text[j], text[j - 1]
                j -= 1
        out, starter, last = [], None, 0
        for c in text:
            order = self.order.get(c, 0)
            syllable = self.syllable(out[-1], c) if out else None
            if syllable:
                out[-1] = syllable
                continue
            free = starter is not None and (last < order or (last == 0 and starter == len(out) - 1))
            if free and (out[starter], c) in self.pairs:
                out[starter] = self.pairs[out[starter], c]
                continue
            if order == 0:
                starter = len(out)
            last = order
            out.append(c)
        return out


def print_nfkc(path):
    composer = Composer(path)
    entries = []
    for code in sorted(composer.parts):
        text = composer.normalised(code)
        if text != [code]:
            escaped = "".join(f"\\{chr(c)}" if chr(c) in '"\\?' else chr(c) for c in text)
            entries.append(f'{{0x{code:x}, "{escaped}"}},')
    for i in range(0, len(entries), 6):
        print(" ".join(entries[i : i + 6]))


def print_compositions(path):
    entries = [f"{{0x{a:x}, 0x{b:x}, 0x{c:x}}}," for (a, b), c in sorted(Composer(path).pairs.items())]
    for i in range(0, len(entries), 5):
        print(" ".join(entries[i : i + 5]))


JAPANESE = ("Han", "Hiragana", "Katakana")
KANA_MARKS = (0x30FC, 0xFF70, 0xFF9E, 0xFF9F)  # Common to Unicode


def print_scripts(path):
    names = ["Common"] * END
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            fields = line.split("#")[0].split(";")
            if len(fields) < 2:
                continue
            first, last = (fields[0].strip().split("..") * 2)[:2]
            for code in range(int(first, 16), int(last, 16) + 1):
                names[code] = fields[1].strip()
    for code in KANA_MARKS:
        names[code] = "Han"
    others = sorted(set(names) - {"Common", "Inherited", *JAPANESE})
    numbers = {"Common": 0, "Inherited": 1, **{n: 2 for n in JAPANESE}, **{n: 3 + i for i, n in enumerate(others)}}
    table = [numbers[name] for name in names]
    entries = [(c << 8) | table[c] for c in range(END) if c == 0 or table[c] != table[c - 1]]
    for i in range(0, len(entries), 10):
        print(" ".join(f"0x{e:x}," for e in entries[i : i + 10]))


def print_classes(path):
    table = classes(path)
    entries = [(c << 4) | table[c] for c in range(END) if c == 0 or table[c] != table[c - 1]]
    for i in range(0, len(entries), 10):
        print(" ".join(f"0x{e:x}," for e in entries[i : i + 10]))


def print_runs(mapping):
    entries = [f"{{0x{a:x}, 0x{b:x}, {step}, 0x{image:x}}}," for a, b, step, image in runs(mapping)]
    for i in range(0, len(entries), 4):
        print(" ".join(entries[i : i + 4]))


def main():
    printers = {"classes": print_classes, "bases": lambda path: print_runs(bases(path)),
                "lower": lambda path: print_runs(mappings(path, 13)), "nfkc": print_nfkc,
                "compositions": print_compositions, "scripts": print_scripts}
    what = sys.argv[1] if len(sys.argv) > 1 else ""
    if what not in printers:
        sys.exit(__doc__)
    source = "Scripts.txt" if what == "scripts" else "UnicodeData.txt"
    print(f"// Generated by scripts/make_unicode_tables.py from {source} 15.0", end="")
    print(" (and what 15.1 added)." if what == "classes" else ".")
    printers[what](sys.argv[2] if len(sys.argv) > 2 else "/usr/share/unicode/" + source)


if __name__ == "__main__":
    main()
