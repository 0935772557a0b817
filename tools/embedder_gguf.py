#!/usr/bin/env python3
"""Weights of tools/train_embedder.py to a GGUF file that issun and llama.cpp read (modern-bert).

Also checks: `--check TEXT...` prints the cosine between PyTorch's vector of a text, from the weights
as they were trained, and that of `issun embed`, from the file.
"""
import argparse
import glob
import json
import os
import subprocess

import numpy as np

from block_formats import BLOCK, content
from embedder_data import load, vocabulary_of
from embedder_vocabulary import BOS, CONTROL, EOS, NORMAL, PAD, UNK, UNKNOWN, charsmap_bytes
from gguf_file import ARRAY, STRING, metadata_of, write

MEAN = 1  # <architecture>.pooling_type
F32, I32, U8 = 6, 5, 0  # types of GGUF's metadata
EPSILON = 1e-5


def decode_q8_0(raw, shape):
    blocks = raw.reshape(-1, 2 + BLOCK)
    scales = np.ascontiguousarray(blocks[:, :2]).view(np.float16).astype(np.float32)
    return (scales * blocks[:, 2:].view(np.int8)).reshape(shape)


def read_weights(folder):
    """(facts, name -> float32 array) of a folder that the training wrote."""
    arrays = {}
    for path in sorted(glob.glob(os.path.join(folder, "weights-*.npz"))):
        with np.load(path) as part:
            arrays.update({name: part[name] for name in part.files})
    if "facts" not in arrays:
        raise SystemExit(f"{folder}: expected weights-0.npz, with facts")
    facts = json.loads(arrays.pop("facts").tobytes())
    for name, shape in facts["shapes"].items():
        if len(shape) == 2:
            arrays[name] = decode_q8_0(arrays[name], shape)
    return facts, arrays


def for_blocks(arrays):
    """The same network with its dimensions in another order, and that order.

    The training's special dimensions (0 and 1 alike for all tokens, 2 and 3 very great for frequent
    ones) would spoil the other weights of their blocks, and each other: they go to two blocks of
    their own, with the dimensions that count least in the end."""
    least = [d for d in np.argsort(np.abs(arrays["output_norm"]), kind="stable") if d >= 4]
    rest = BLOCK - 2
    order = np.array([2, 3] + least[:rest] + [0, 1] + least[rest:2 * rest] + sorted(least[2 * rest:]))
    result = {}
    for name, array in arrays.items():
        if name == "log_scale":
            continue
        rows = array.ndim == 1 or name.endswith(("attn_output", "ffn_down"))
        result[name] = array[order] if rows else array[:, order]
    return result, order


def metadata(config, vocabulary, args):
    kinds = [NORMAL] * len(vocabulary.pieces)
    kinds[BOS] = kinds[EOS] = kinds[PAD] = CONTROL
    kinds[UNK] = UNKNOWN
    arch, charsmap = "modern-bert", charsmap_bytes(vocabulary.table)
    plain = {
        "general.architecture": arch, "general.type": "model", "general.name": args.name,
        "general.license": args.licence, "general.description": args.description,
        f"{arch}.context_length": args.context, f"{arch}.embedding_length": config["width"],
        f"{arch}.block_count": config["layers"], f"{arch}.feed_forward_length": config["hidden"],
        f"{arch}.attention.head_count": config["heads"],
        f"{arch}.attention.layer_norm_epsilon": EPSILON, f"{arch}.attention.causal": False,
        f"{arch}.rope.freq_base": float(config["rope_base"]),
        f"{arch}.vocab_size": len(vocabulary.pieces), f"{arch}.pooling_type": MEAN,
        "tokenizer.ggml.model": "t5", "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.bos_token_id": BOS, "tokenizer.ggml.eos_token_id": EOS,
        "tokenizer.ggml.unknown_token_id": UNK, "tokenizer.ggml.padding_token_id": PAD,
        "tokenizer.ggml.add_bos_token": True, "tokenizer.ggml.add_eos_token": False,
        "tokenizer.ggml.add_space_prefix": False, "tokenizer.ggml.remove_extra_whitespaces": False,
    }
    result = {key: metadata_of(value) for key, value in plain.items()}
    result["tokenizer.ggml.tokens"] = (ARRAY, (STRING, vocabulary.pieces))
    result["tokenizer.ggml.scores"] = (ARRAY, (F32, vocabulary.scores))
    result["tokenizer.ggml.token_type"] = (ARRAY, (I32, kinds))
    result["tokenizer.ggml.precompiled_charsmap"] = (ARRAY, (U8, list(charsmap)))
    return result


def issun_vectors(issun, model, texts, *flags):
    """Vectors of texts by `issun embed`, (texts, width); a text is one line."""
    lines = "\n".join(" ".join(text.split("\n")) for text in texts)
    out = subprocess.run([issun, "embed", model, "--long", "split", *flags], input=lines, check=True,
                         capture_output=True, text=True).stdout
    return np.array([line.split() for line in out.splitlines()], dtype=np.float32)


def check(args, facts, arrays, vocabulary):
    import torch  # only here: an export needs none

    from train_embedder import Embedder
    model = Embedder(**facts["config"])
    names = {f"blk.{n.partition('.')[2]}.{n.partition('.')[0]}" if "." in n else n: n
             for n in model.state_dict()}
    model.load_state_dict({names[n]: torch.from_numpy(a.copy()) for n, a in arrays.items()})
    ours = issun_vectors(args.issun, args.out, args.check, "--exact")
    order = for_blocks(arrays)[1]
    for text, vector in zip(args.check, ours):
        ids = torch.tensor([[BOS] + vocabulary.encode(text)])
        with torch.no_grad():
            theirs = model(ids)[0].numpy()[order]
        print(f"cosine {float(vector @ theirs / np.linalg.norm(vector)):.6f}  {text[:60]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", required=True, help="folder with weights-*.npz")
    parser.add_argument("--data", required=True, help="the training data, for the vocabulary")
    parser.add_argument("--out", required=True, help="GGUF file to write")
    parser.add_argument("--type", default="q8_0", help="of the layers' matrices: f32 f16 q8_0 q4_0")
    parser.add_argument("--embedding-type", help="of the tokens' rows (as --type)")
    parser.add_argument("--context", type=int, default=1024, help="tokens that a text may have")
    parser.add_argument("--name", default="issun-embed")
    parser.add_argument("--licence", default="apache-2.0")
    parser.add_argument("--description", default="Japanese and English text embeddings for search")
    parser.add_argument("--issun", default="build/release/bin/issun", help="program, for --check")
    parser.add_argument("--check", nargs="*", default=[], help="texts to compare vectors of")
    args = parser.parse_args()
    facts, arrays = read_weights(args.weights)
    vocabulary = vocabulary_of(load(args.data))
    tensors = {}
    for name, array in for_blocks(arrays)[0].items():
        if name == "blk.0.attn_norm":  # no part of the network
            continue
        kind = args.type if array.ndim == 2 else "f32"
        if name == "token_embd" and args.embedding_type:
            kind = args.embedding_type
        tensors[f"{name}.weight"] = content(kind, array)
    write(args.out, metadata(facts["config"], vocabulary, args), tensors)
    print(f"{args.out}: {os.path.getsize(args.out):,} bytes")
    if args.check:
        check(args, facts, arrays, vocabulary)


if __name__ == "__main__":
    main()
