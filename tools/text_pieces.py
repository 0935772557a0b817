#!/usr/bin/env python3
"""Pieces of plain text, drawn from the streams of `streams.py`, to be learnt beside talks: talks alone
cost a model its plain text. Each piece ends at the end of a line where it can."""
import argparse
import json
import random

PIECE = {"en": 2600, "docs": 2600, "ja": 1100, "old": 1100}     # characters, about 600 tokens
SHORTEST = 200


def pieces_of(text, size):
    """Consecutive pieces of at most size characters, cut at ends of lines in their second half."""
    start = 0
    while start < len(text):
        end = min(len(text), start + size)
        if end < len(text):
            end = text.rfind("\n", start + size // 2, end) + 1 or end
        yield text[start:end].strip("\n")
        start = end


def drawn(path, size, most, source):
    """Random pieces of a stream, most bytes in all."""
    texts = [json.loads(line)["text"] for line in open(path, encoding="utf-8")]
    share = min(1, 1.02 * most / sum(len(text.encode()) for text in texts))
    kept = [p for text in texts for p in pieces_of(text, size) if source.random() < share and len(p) >= SHORTEST]
    source.shuffle(kept)
    for piece in kept:
        most -= len(piece.encode())
        yield piece
        if most < 0:
            return


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--streams", required=True, help="folder with NAME.jsonl")
    p.add_argument("--out", required=True, help="file of JSON lines to write")
    p.add_argument("--megabytes", default="en=3.2,ja=4.4,docs=1.1", help="of each stream (en=3.2,ja=4.4,docs=1.1)")
    p.add_argument("--seed", type=int, default=1, help="of what is drawn (1)")
    args = p.parse_args()
    source = random.Random(args.seed)
    with open(args.out, "w", encoding="utf-8") as out:
        for name, megabytes in (pair.split("=") for pair in args.megabytes.split(",")):
            for piece in drawn(f"{args.streams}/{name}.jsonl", PIECE[name], 1e6 * float(megabytes), source):
                out.write(json.dumps({"text": piece}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
