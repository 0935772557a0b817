#!/usr/bin/env python3
"""Divides the corpus of `corpus.py` into the streams that training mixes, and a sample for the
tokenizer.

Streams: en and ja (prose), docs (technical prose of both languages, small and so told apart),
old (Japanese in historical spelling). held-en and held-ja are the held-out documents as they are.
The sample has equal bytes of en and ja, all of docs, none of old.
"""
import argparse
import json
import pathlib
import random


def stream_of(document):
    if document["kind"] == "docs":
        return "docs"
    return "old" if document["style"] == "old" else document["lang"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--corpus", required=True, help="folder with train.LANG.jsonl and held.LANG.jsonl")
    p.add_argument("--out", required=True, help="folder for NAME.jsonl")
    p.add_argument("--limits", default="en=200,ja=260,docs=40,old=20", help="megabytes of each at most")
    p.add_argument("--sample", type=float, default=60, help="megabytes of en and of ja for the tokenizer")
    p.add_argument("--seed", type=int, default=1)
    args = p.parse_args()
    left = {n: float(mb) * 1e6 for n, mb in (pair.split("=") for pair in args.limits.split(","))}
    sample_left = {"en": args.sample * 1e6, "ja": args.sample * 1e6, "docs": 1e12, "old": 0}
    out, source = pathlib.Path(args.out), random.Random(args.seed)
    out.mkdir(parents=True, exist_ok=True)
    files = {n: open(out / f"{n}.jsonl", "w") for n in [*left, "sample", "held-en", "held-ja"]}
    for lang in ("en", "ja"):
        lines = open(f"{args.corpus}/train.{lang}.jsonl").readlines()
        source.shuffle(lines)
        for line in lines:
            document = json.loads(line)
            name, text = stream_of(document), document["text"]
            size = len(text.encode())
            row = json.dumps({"text": text}, ensure_ascii=False) + "\n"
            if left[name] > size:
                left[name] -= size
                files[name].write(row)
            if sample_left[name] > size:
                sample_left[name] -= size
                files["sample"].write(row)
        for line in open(f"{args.corpus}/held.{lang}.jsonl"):
            files[f"held-{lang}"].write(json.dumps({"text": json.loads(line)["text"]},
                                                   ensure_ascii=False) + "\n")
    for name, file in files.items():
        file.close()
        print(f"{name}: {(out / f'{name}.jsonl').stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
