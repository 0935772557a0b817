#!/usr/bin/env python3
"""Bits per byte of a model on held-out documents, each read by itself with `issun eval perplexity`.

The figures that `text_baselines.py` gives for compressors and n-gram models are of the same bytes.
The first token of a document is not scored (nothing is before it); its bytes are charged at 8 bits
each, so that the whole text counts.
"""
import argparse
import json
import subprocess
import tempfile


def read(args, text):
    """(bits, bytes) of one document."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(text)
        file.flush()
        command = [args.issun, "eval", "perplexity", args.model, "--text", file.name, "--json",
                   "-c", str(args.context), "--stride", str(args.stride)]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()}")
    found = json.loads(done.stdout)
    whole = len(text.encode())
    return found["bits_per_byte"] * found["bytes_scored"] + 8 * (whole - found["bytes_scored"]), whole


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("held", nargs="+", help="held.LANG.jsonl of corpus.py")
    p.add_argument("--issun", required=True, help="the program")
    p.add_argument("--model", required=True, help="GGUF file")
    p.add_argument("--context", type=int, default=2048, help="tokens of a window")
    p.add_argument("--stride", type=int, default=1024, help="tokens from window to window")
    p.add_argument("--documents", type=int, default=0, help="the first so many alone (0: all)")
    args = p.parse_args()
    for path in args.held:
        with open(path) as file:
            documents = [json.loads(line) for line in file][:args.documents or None]
        kinds = {}
        for document in documents:
            bits, size = read(args, document["text"])
            for kind in ("all", document["kind"], *(["old"] if document.get("style") == "old" else [])):
                so_far = kinds.get(kind, (0.0, 0, 0.0))
                kinds[kind] = (so_far[0] + bits, so_far[1] + size, so_far[2] + 1)
        print(path, {kind: {"bits_per_byte": round(bits / size, 4), "bytes": size, "documents": int(n)}
                     for kind, (bits, size, n) in kinds.items()}, flush=True)


if __name__ == "__main__":
    main()
