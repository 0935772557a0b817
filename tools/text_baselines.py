#!/usr/bin/env python3
"""Bits per byte of held-out text for compressors and an n-gram model that saw training text.

    text_baselines.py --corpus DIR --language ja --out DIR

A compressor's figure is (size(training + held) - size(training)) * 8 / bytes of held text.
The n-gram model is interpolated modified Kneser-Ney (Chen and Goodman 1999, equations 26 and 27).
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

END = 0  # token after each document: the byte 0, which no text contains


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--corpus", type=Path, required=True, help="folder of train.LANG.jsonl and held.LANG.jsonl")
    add("--language", choices=("ja", "en"), required=True, help="which of the two languages")
    add("--out", type=Path, required=True,
        help="folder of baselines.LANG.json and .txt; rows are added")
    methods = ("xz", "ppmd", "ngram")
    add("--methods", nargs="+", choices=methods, default=list(methods),
        help="what to run (all)")
    add("--train-bytes", type=int, default=520_000_000,
        help="most bytes of training text, whole documents in random order (520000000)")
    add("--seed", type=int, default=1, help="of the order of training documents (1)")
    add("--dictionary-mib", type=int, default=512, help="dictionary of xz in MiB (512)")
    add("--ppmd-order", type=int, default=16, help="order of PPMd (16)")
    add("--ppmd-memory", default="1g",
        help="memory of PPMd, which starts anew when it is full (1g)")
    add("--order", type=int, default=5,
        help="tokens of an n-gram, the predicted one included (5)")
    add("--token-bits", type=int, default=12,
        help="2^bits tokens: 256 bytes and the commonest characters; 8 is bytes only (12)")
    return parser.parse_args()


def documents(path):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)["text"]


def sample(path, most_bytes, seed):
    """Texts of `path` in random order, up to `most_bytes` of UTF-8."""
    sizes = [len(text.encode("utf-8")) for text in documents(path)]
    order = list(range(len(sizes)))
    random.Random(seed).shuffle(order)
    chosen, total = set(), 0
    for d in order:
        if total + sizes[d] <= most_bytes:
            chosen.add(d)
            total += sizes[d]
    texts = {d: text for d, text in enumerate(documents(path)) if d in chosen}
    return [texts[d] for d in order if d in chosen]


# Compressors


def xz_command(options, source, target):
    filters = f"--lzma2=preset=9e,dict={options.dictionary_mib}MiB"
    return ["sh", "-c", f"xz -T1 -c {filters} '{source}' > '{target}'"]


def ppmd_command(options, source, target):
    method = f"-m0=PPMd:o={options.ppmd_order}:mem={options.ppmd_memory}"
    return ["7z", "a", "-bd", "-t7z", method, target, source]


def compressed_size(command, options, source):
    target = Path(source).with_suffix(".out")
    target.unlink(missing_ok=True)
    words = command(options, str(source), str(target))
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"compressor failed: {done.stderr or done.stdout}")
    size = target.stat().st_size
    target.unlink()
    return size


def compressor_bits(command, options, train, held):
    """Bits the held texts add to the compressed training texts."""
    with tempfile.TemporaryDirectory(dir=options.out) as folder:
        path = Path(folder) / "text"
        with open(path, "wb") as out:
            for text in train:
                out.write(text.encode("utf-8") + b"\n")
        without = compressed_size(command, options, path)
        with open(path, "ab") as out:
            for text in held:
                out.write(text.encode("utf-8") + b"\n")
        return 8 * (compressed_size(command, options, path) - without)


# Tokens: characters, and bytes for the rarer ones


def code_points(text):
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")


def token_table(texts, bits):
    """Token of each code point; -1 for those spelled in bytes. Tokens 0..255 are bytes."""
    counts = np.zeros(0x110000, np.int64)
    for first in range(0, len(texts), 500):
        counts += np.bincount(code_points("".join(texts[first:first + 500])), minlength=len(counts))
    common = np.argsort(-counts, kind="stable")[:2**bits - 256]
    table = np.full(len(counts), -1, np.int32)
    table[common] = np.arange(256, 256 + len(common))
    return table


def tokens_of(text, table):
    """Tokens of a text as uint16, END last."""
    codes = code_points(text)
    tokens = table[codes]
    rare = np.flatnonzero(tokens < 0)
    lengths = np.ones(len(codes), np.int64)
    spelled = [chr(c).encode("utf-8") for c in codes[rare]]
    lengths[rare] = [len(s) for s in spelled]
    starts = np.cumsum(lengths) - lengths
    tokens = np.repeat(tokens, lengths)
    for start, spelling in zip(starts[rare], spelled):
        tokens[start:start + len(spelling)] = list(spelling)
    return np.append(tokens, END).astype(np.uint16)


def stream(texts, bits, table):
    """All tokens of the texts, END before the first and after each."""
    if bits == 8:
        joined = b"\0" + b"".join(text.encode("utf-8") + b"\0" for text in texts)
        return np.frombuffer(joined, np.uint8)
    return np.concatenate([np.array([END], np.uint16)] + [tokens_of(text, table) for text in texts])


def packed(tokens, order, bits):
    """uint64 keys of all n-grams, first token in the highest bits; (len(tokens) - order + 1,)."""
    size = len(tokens) - order + 1
    keys = np.zeros(size, np.uint64)
    for i in range(order):
        keys <<= np.uint64(bits)
        keys |= tokens[i:i + size]
    return keys


# Kneser-Ney


def run_lengths(keys):
    """Sorts keys in place; (distinct keys, their counts)."""
    keys.sort()
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    counts = np.diff(np.append(starts, len(keys))).astype(np.uint32)
    return keys[starts], counts


def discounts(counts):
    """D1, D2, D3+ from the counts of counts (equation 26)."""
    n = [max(1, int(np.count_nonzero(counts == k))) for k in (1, 2, 3, 4)]
    y = n[0] / (n[0] + 2 * n[1])
    return [max(0.0, k + 1 - (k + 2) * y * n[k + 1] / n[k]) for k in range(3)]


def level_terms(keys, counts, queries, bits):
    """(discounted probability, weight of the shorter context) of each query at one order."""
    mask = np.uint64(2**bits - 1)
    first = np.searchsorted(keys, queries & ~mask, side="left")
    last = np.searchsorted(keys, queries | mask, side="right")
    at = np.minimum(np.searchsorted(keys, queries), len(keys) - 1)
    count = np.where(keys[at] == queries, counts[at], 0).astype(np.float64)

    def in_context(values):
        sums = np.concatenate([[0], np.cumsum(values, dtype=np.int64)])
        return (sums[last] - sums[first]).astype(np.float64)

    total = in_context(counts)
    d = np.array([0.0] + discounts(counts))
    share = np.maximum(count - d[np.minimum(count, 3).astype(int)], 0)
    left = d[1] * in_context(counts == 1) + d[2] * in_context(counts == 2)
    left += d[3] * in_context(counts >= 3)
    seen = total > 0
    total[~seen] = 1
    return share / total, np.where(seen, left / total, 1.0)


def probabilities(tokens, queries, order, bits):
    """P(last token | the tokens before it) of each packed query n-gram."""
    keys, counts = run_lengths(packed(tokens, order, bits))
    terms = []
    for n in range(order, 0, -1):
        mask = np.uint64(2**(bits * n) - 1)
        terms.append(level_terms(keys, counts, queries & mask, bits))
        print(f"  {n}-grams: {len(keys)} distinct", file=sys.stderr)
        if n > 1:  # shorter n-grams count the distinct tokens before them
            keys, counts = run_lengths(keys & np.uint64(2**(bits * (n - 1)) - 1))
    result = np.full(len(queries), 1 / 2**bits)
    for share, weight in reversed(terms):
        result = share + weight * result
    return result


def ngram_bits(options, train, held):
    """Bits of the held texts; also checks that the probabilities of eight contexts sum to one."""
    order, bits = options.order, options.token_bits
    if order * bits > 64:
        sys.exit(f"--order {order} with --token-bits {bits}: expected a product of at most 64")
    table = token_table(train, bits) if bits > 8 else None
    tokens = stream(train, bits, table)
    begin = np.full(order - 2, END, tokens.dtype)
    queries = packed(np.concatenate([begin, stream(held, bits, table)]), order, bits)
    contexts = queries[:: max(1, len(queries) // 8)][:8] >> np.uint64(bits) << np.uint64(bits)
    every = (contexts[:, None] | np.arange(2**bits, dtype=np.uint64)[None, :]).ravel()
    result = probabilities(tokens, np.concatenate([queries, every]), order, bits)
    sums = result[len(queries):].reshape(len(contexts), -1).sum(1)
    if np.abs(sums - 1).max() > 1e-6:
        sys.exit(f"probabilities of a context: expected a sum of 1, found {sums}")
    return float(-np.log2(result[:len(queries)]).sum())


def describe(method, options):
    if method == "xz":
        return f"xz -9e, dictionary {options.dictionary_mib} MiB"
    if method == "ppmd":
        return f"7z PPMd, order {options.ppmd_order}, memory {options.ppmd_memory}"
    unit = "bytes" if options.token_bits == 8 else f"characters, {2**options.token_bits} tokens"
    return f"{options.order}-gram of {unit}, modified Kneser-Ney"


def add_row(options, row):
    """Puts a row in the JSON file and writes the table anew."""
    path = options.out / f"baselines.{options.language}.json"
    rows = json.loads(path.read_text()) if path.exists() else []
    same = ("method", "train_bytes")
    rows = [r for r in rows if any(r[k] != row[k] for k in same)] + [row]
    path.write_text(json.dumps(rows, indent=1) + "\n")
    lines = [f"{r['method']:<58} {r['train_bytes'] / 1e6:>8.1f} MB "
             f"{r['bits_per_byte']:>8.4f} {r['seconds']:>6.0f} s" for r in rows]
    header = f"{'method':<58} {'training':>11} {'bits/byte':>8} {'time':>7}"
    path.with_suffix(".txt").write_text("\n".join([header] + lines) + "\n")


def main():
    options = arguments()
    options.out.mkdir(parents=True, exist_ok=True)
    language = options.language
    train_path = options.corpus / f"train.{language}.jsonl"
    train = sample(train_path, options.train_bytes, options.seed)
    held = list(documents(options.corpus / f"held.{language}.jsonl"))
    held_bytes = sum(len(text.encode("utf-8")) for text in held)
    train_bytes = sum(len(text.encode("utf-8")) for text in train)
    for method in options.methods:
        begin = time.time()
        if method == "ngram":
            bits = ngram_bits(options, train, held)
        else:
            command = {"xz": xz_command, "ppmd": ppmd_command}[method]
            bits = compressor_bits(command, options, train, held)
        row = {"language": language, "method": describe(method, options),
               "train_bytes": train_bytes, "held_bytes": held_bytes, "bits": bits,
               "bits_per_byte": bits / held_bytes, "seconds": time.time() - begin}
        add_row(options, row)
        print(json.dumps(row))


if __name__ == "__main__":
    main()
