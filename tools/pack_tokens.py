#!/usr/bin/env python3
"""Packs the tokens that `issun pretrain` and `issun tune` keep (`tokens.issun`) for `train_gpu.py`.

Documents are taken in an order drawn from --seed until --tokens is reached, and written as
NAME.N.tokens.xz (u16, compressed), with NAME.N.learnt.xz where not every token is learnt.
With --row N the stream is NAME-N: rows of N tokens, each of whole documents and filled up with
zeros that are not learnt; longer documents are left out.
"""
import argparse
import lzma
import pathlib
import struct

import numpy as np

HEAD, TRAILER = 16, 48  # bytes; the layout is documented in src/train/token_file.h
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "lc": 3, "lp": 1, "pb": 1}]


def aligned(offset):
    return (offset + 7) // 8 * 8


def read_store(path):
    """(tokens, learnt, begins): of each token its id and whether it is learnt, of each document
    its first token, and one number more, the end."""
    raw = np.memmap(path, np.uint8, mode="r")
    magic, version, token_bytes = struct.unpack("<8sII", bytes(raw[:HEAD]))
    if magic != b"issuntok" or version != 1 or token_bytes != 2:
        raise SystemExit(f"{path}: expected a token file of version 1 with tokens of 2 bytes")
    tokens, documents = struct.unpack("<QQ", bytes(raw[-TRAILER:-TRAILER + 16]))
    learnt_at = aligned(HEAD + 2 * tokens)
    documents_at = aligned(learnt_at + tokens)
    entries = raw[documents_at:documents_at + 24 * documents].view(np.uint64).reshape(-1, 3)
    begins = np.append(entries[:, 0], tokens).astype(np.int64)
    return raw[HEAD:HEAD + 2 * tokens].view(np.uint16), raw[learnt_at:learnt_at + tokens], begins


def spans(begins, limit, seed):
    """(begin, end) of documents in random order; the last is cut where `limit` tokens are full
    (0: no limit)."""
    result, left = [], limit or int(begins[-1])
    for d in np.random.default_rng(seed).permutation(len(begins) - 1):
        begin, end = int(begins[d]), min(int(begins[d + 1]), int(begins[d]) + left)
        if left:
            result.append((begin, end))
        left -= end - begin
    return result


def rows_of(found, size):
    """(begin, end) of documents dealt to rows of at most `size` tokens: each goes to the fullest of
    the open rows that has room for it."""
    rows, open_rows = [], {}    # room left -> numbers of rows with just that
    for begin, end in found:
        length = end - begin
        if not 0 < length <= size:
            continue
        room = next((r for r in range(length, size + 1) if open_rows.get(r)), None)
        if room is None:
            rows.append([])
            at, room = len(rows) - 1, size
        else:
            at = open_rows[room].pop()
        rows[at].append((begin, end))
        if room - length > 8:
            open_rows.setdefault(room - length, []).append(at)
    return rows


def filled(rows, size, tokens, learnt):
    """(tokens, marks) of all rows, one behind the other."""
    some, marks = np.zeros((len(rows), size), tokens.dtype), np.zeros((len(rows), size), learnt.dtype)
    for r, row in enumerate(rows):
        at = 0
        for begin, end in row:
            some[r, at:at + end - begin], marks[r, at:at + end - begin] = tokens[begin:end], learnt[begin:end]
            at += end - begin
    return some.ravel(), marks.ravel()


def compress(path, array):
    path.write_bytes(lzma.compress(array.tobytes(), format=lzma.FORMAT_XZ, filters=FILTERS))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("store", help="a tokens.issun")
    p.add_argument("--name", required=True, help="of the stream; held-NAME is never trained on")
    p.add_argument("--out", required=True, nargs="+", help="folders; parts are dealt to them in turn")
    p.add_argument("--tokens", type=int, default=0, help="at most so many (0: all)")
    p.add_argument("--part-tokens", type=int, default=8_000_000, help="tokens of a part")
    p.add_argument("--row", type=int, default=0, help="rows of so many tokens, of whole documents")
    p.add_argument("--shortest", type=int, default=0, help="leave out documents of fewer tokens")
    p.add_argument("--seed", type=int, default=1)
    args = p.parse_args()
    tokens, learnt, begins = read_store(args.store)
    found = spans(begins, args.tokens, args.seed)
    found = [(begin, end) for begin, end in found if end - begin >= args.shortest]
    if args.row:
        args.name += f"-{args.row}"
        taken, marks = filled(rows_of(found, args.row), args.row, tokens, learnt)
    else:
        taken = np.concatenate([tokens[begin:end] for begin, end in found])
        marks = np.concatenate([learnt[begin:end] for begin, end in found])
    parts = max(1, round(len(taken) / args.part_tokens), len(args.out))
    for n, (some, some_marks) in enumerate(zip(np.array_split(taken, parts), np.array_split(marks, parts))):
        folder = pathlib.Path(args.out[n % len(args.out)])
        folder.mkdir(parents=True, exist_ok=True)
        compress(folder / f"{args.name}.{n}.tokens.xz", some)
        if not marks.all():
            compress(folder / f"{args.name}.{n}.learnt.xz", some_marks)
    print(f"{args.name}: {len(found)} documents, {len(taken) / 1e6:.2f} M tokens in {parts} parts")


if __name__ == "__main__":
    main()
