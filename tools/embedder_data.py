#!/usr/bin/env python3
"""Prepares the embedder's training data: texts -> one compressed file of tokens.

Input: JSON lines with "text", "lang" (ja or en) and "kind" (novel or docs), and tables of course
outlines (a JSON file with "subject" rows, of which only the course's name and outline are used,
never people). Output: an
.npz.xz file with the vocabulary, the tokens of all documents, where documents and sentences begin,
and which documents are held out.
"""
import argparse
import io
import json
import lzma
import random
import re
import sys
import time

import numpy as np

from embedder_vocabulary import SPACE, Vocabulary, build_vocabulary

SENTENCES = re.compile(r"[^。！？!?.]*(?:[。！？!?]+[」』）)]*|\.(?=\s|$)|\.|$)\s*")
CODE = re.compile(r"```.*?```|<[^<>\n]{1,200}>|\[([^\]]*)\]\([^)]*\)|^[#>*\-|\s]+|`", re.S | re.M)


def read_parts(paths, part_characters, generator):
    """(language, kind, part of a text), at most four parts of a document, from random places."""
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for line in file:
                record = json.loads(line)
                text, kind = record["text"], record.get("kind", "novel")
                if record.get("style") == "old" and generator.random() > 0.1:
                    continue
                for _ in range(min(4, 1 + len(text) // part_characters)):
                    start = generator.randrange(max(1, len(text) - part_characters + 1))
                    part = CODE.sub(lambda m: m.group(1) or "", text[start:start + part_characters])
                    if len(part) > 200:
                        yield record["lang"], kind, part


def kanji_share(text):
    return sum("\u4e00" <= c <= "\u9fff" for c in text) / len(text)


def choose_parts(parts, most_characters, generator):
    """A random choice of so many characters for each (language, kind). Of every two parts of
    Japanese novels and essays the one with more kanji is taken: essays more often than talk."""
    groups, chosen = {}, []
    for language, kind, part in parts:
        groups.setdefault((language, kind), []).append(part)
    for (language, kind), texts in sorted(groups.items()):
        generator.shuffle(texts)
        if (language, kind) == ("ja", "novel"):
            texts = [max(two, key=kanji_share) for two in zip(texts[::2], texts[1::2])]
        left = most_characters[language, kind]
        for text in texts:
            if left <= 0:
                break
            chosen.append((text, language))
            left -= len(text)
    return chosen


def read_courses(path, courses_a_document=40):
    """Outlines of courses, neighbours together: each paragraph is a course's name and outline."""
    with open(path, encoding="utf-8") as file:
        rows = json.load(file)["subject"]
    outlines = {}
    for row in rows:
        if len(row[9]) > 60:
            outlines.setdefault(row[9], row[1])
    texts = [f"{name}\n{outline}" for outline, name in outlines.items()]
    for first in range(0, len(texts), courses_a_document):
        yield "\n\n".join(texts[first:first + courses_a_document]), "ja"


def encode_document(vocabulary, text):
    """Tokens, and True where a sentence begins; paragraphs and sentences are joined by a space."""
    tokens, starts = [], []
    space = vocabulary.ids[SPACE]
    for paragraph in text.split("\n"):
        paragraph = paragraph.strip()
        if tokens and paragraph and tokens[-1] != space:
            tokens.append(space)
            starts.append(False)
        for sentence in filter(None, SENTENCES.findall(paragraph)):
            ids = vocabulary.encode(sentence)
            # A short one ("Mr.", a heading) is no sentence of its own.
            alone = len(ids) >= 6 or not starts
            starts.extend([alone] + [False] * (len(ids) - 1) if ids else [])
            tokens.extend(ids)
    return tokens, starts


def save(path, arrays):
    plain = io.BytesIO()
    np.savez(plain, **arrays)
    with lzma.open(path, "wb", preset=9) as file:
        file.write(plain.getvalue())


def load(path):
    """The arrays of a file made by `save`."""
    with lzma.open(path, "rb") as file:
        arrays = np.load(io.BytesIO(file.read()))
        return {name: arrays[name] for name in arrays.files}


def vocabulary_of(arrays):
    pieces = arrays["pieces"].tobytes().decode().split("\n")
    return Vocabulary(pieces, arrays["scores"].tolist())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", nargs="+", required=True, help="JSON lines")
    parser.add_argument("--courses", nargs="*", default=[], help="tables of course outlines")
    parser.add_argument("--part", type=int, default=8000, help="characters of a part of a document")
    for name, number in (("ja-novel", 6_500_000), ("ja-docs", 2_500_000), ("en-novel", 2_500_000),
                         ("en-docs", 2_500_000)):
        parser.add_argument(f"--{name}", type=int, default=number, help="characters, at most")
    parser.add_argument("--vocabulary-size", type=int, default=8192, help="tokens")
    parser.add_argument("--hiragana-size", type=int, default=500, help="pieces of hiragana")
    parser.add_argument("--rarest", type=int, default=5, help="how often a character must occur")
    parser.add_argument("--held-out", type=float, default=0.03, help="share of the documents")
    parser.add_argument("--seed", type=int, default=1, help="of the choice of documents")
    parser.add_argument("--out", required=True, help=".npz.xz to write")
    args = parser.parse_args()
    began = time.time()
    generator = random.Random(args.seed)
    documents = choose_parts(
        read_parts(args.texts, args.part, generator),
        {("ja", "novel"): args.ja_novel, ("ja", "docs"): args.ja_docs,
         ("en", "novel"): args.en_novel, ("en", "docs"): args.en_docs}, generator)
    documents += [d for path in args.courses for d in read_courses(path)]
    vocabulary = build_vocabulary([text for text, _ in documents], args.vocabulary_size,
                                  args.hiragana_size, args.rarest)
    print(f"{len(documents)} documents, {len(vocabulary.pieces)} tokens, "
          f"{time.time() - began:.0f} s", file=sys.stderr)
    tokens, starts, offsets = [], [], [0]
    for text, _ in documents:
        ids, begins = encode_document(vocabulary, text)
        tokens.append(np.array(ids, np.uint16))
        starts.append(np.array(begins, bool))
        offsets.append(offsets[-1] + len(ids))
    english = np.array([language == "en" for _, language in documents])
    held_out = np.random.default_rng(args.seed).random(len(documents)) < args.held_out
    all_tokens = np.concatenate(tokens)
    save(args.out, {
        "tokens": all_tokens, "starts": np.packbits(np.concatenate(starts)),
        "offsets": np.array(offsets), "english": english, "held_out": held_out,
        "pieces": np.frombuffer("\n".join(vocabulary.pieces).encode(), np.uint8),
        "scores": np.array(vocabulary.scores, np.float32)})
    unknown = float((all_tokens == 2).mean())
    print(f"{len(all_tokens)} tokens, {unknown:.5f} unknown, {time.time() - began:.0f} s",
          file=sys.stderr)


if __name__ == "__main__":
    main()
