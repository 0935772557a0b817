#!/usr/bin/env python3
"""The weighted mean of two models of one shape, such as one before and one after tuning: it keeps
more of both than either (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").
Matrices are written as Q4_0, vectors as F32; the metadata is the second model's."""
import argparse

from block_formats import content, decoded
from gguf_file import read_metadata, read_tensors, write


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("first", help="GGUF file of F32, F16 or Q4_0")
    p.add_argument("second", help="another of the same tensors")
    p.add_argument("--share", type=float, required=True, help="of the second, 0 to 1")
    p.add_argument("--out", required=True, help="file to write")
    args = p.parse_args()
    first, second = read_tensors(args.first), read_tensors(args.second)
    if {n: t[1] for n, t in first.items()} != {n: t[1] for n, t in second.items()}:
        raise SystemExit(f"{args.second}: expected the tensors of {args.first}, found others")
    tensors = {}
    for name in first:
        mean = (1 - args.share) * decoded(*first[name]) + args.share * decoded(*second[name])
        tensors[name] = content("f32" if mean.ndim == 1 else "q4_0", mean)
    write(args.out, read_metadata(args.second), tensors)


if __name__ == "__main__":
    main()
