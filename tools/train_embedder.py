#!/usr/bin/env python3
"""Trains issun's own embedder: a small encoder that sees both ways, contrastively, on made-up pairs.

The network is ModernBERT's with attention everywhere (GGUF architecture modern-bert): norms before
the halves and none in front of the first, rotated queries and keys, gated GELU, no biases; a text's
vector is the mean of its tokens' last rows. Half of layer 0's heads begin by looking at fixed
distances, and frequent tokens begin small, which a few hundred steps could hardly find by themselves.

Needs numpy and PyTorch; runs on a processor or a GPU. Writes weights in blocks of 8 bits, in files of
at most 15 MiB (weights-0.npz, ...; with the log of the run), and prints loss and recall on pairs made
of documents held out. tools/embedder_gguf.py makes a GGUF file of them.
"""
import argparse
import json
import math
import multiprocessing
import os
import time

import numpy as np
import torch
import torch.nn.functional as F

from block_formats import q8_0
from embedder_data import load
from embedder_pairs import PairMaker, serve_batches
from embedder_vocabulary import PAD
from muon import orthogonal

EPSILON = 1e-5
SPECIAL_DIMENSIONS = 4  # the first: 0 and 1 are the same for all tokens, 2 and 3 say how frequent
MOST_BYTES = 15 << 20  # of a file of weights


class Embedder(torch.nn.Module):
    """Token ids (texts, tokens), filled up with <pad> -> vectors of length 1 (texts, width)."""

    def __init__(self, vocabulary_size, width, heads, layers, hidden, rope_base):
        super().__init__()
        self.config = dict(vocabulary_size=vocabulary_size, width=width, heads=heads, layers=layers,
                           hidden=hidden, rope_base=rope_base)
        self.heads, self.head_width = heads, width // heads
        matrix = lambda rows, columns, gain=1.0: torch.nn.Parameter(
            torch.randn(rows, columns) * gain / math.sqrt(columns))
        ones = lambda: torch.nn.Parameter(torch.ones(width))
        self.token_embd = torch.nn.Parameter(torch.randn(vocabulary_size, width))
        self.token_embd_norm, self.output_norm = ones(), ones()
        self.attn_norm = torch.nn.ParameterList([ones() for _ in range(layers)])
        self.ffn_norm = torch.nn.ParameterList([ones() for _ in range(layers)])
        self.attn_qkv = torch.nn.ParameterList([matrix(3 * width, width) for _ in range(layers)])
        self.attn_output = torch.nn.ParameterList([matrix(width, width, 0.5) for _ in range(layers)])
        self.ffn_up = torch.nn.ParameterList([matrix(2 * hidden, width) for _ in range(layers)])
        self.ffn_down = torch.nn.ParameterList([matrix(width, hidden, 0.5) for _ in range(layers)])
        self.log_scale = torch.nn.Parameter(torch.tensor(math.log(30.0)))
        half = self.head_width // 2
        self.turns = {}  # length -> cosines and sines of the rotations
        self.frequencies = rope_base ** (-torch.arange(half, dtype=torch.float64) / half)

    @torch.no_grad()
    def begin(self, counts):
        """Special dimensions, heads that look at neighbours, and less of frequent tokens."""
        width, half = self.config["width"], self.head_width // 2
        share = (counts + 1.0) / (counts + 1.0).sum()
        part = (torch.log(share) / math.log(1e-6)).clamp(0.2, 1.0) ** 1.5  # of what a rare one has
        self.token_embd[:, :2] = (2.0 / part)[:, None]
        self.token_embd[:, 2:4] = torch.sqrt(width / 2 * (part ** -2 - 1))[:, None]
        self.output_norm[:SPECIAL_DIMENSIONS] = 0
        offsets = [(-1, 1, -2, 2)[h % 4] for h in range(3 * self.heads // 4)]
        qkv, used = self.attn_qkv[0], half // 2
        for head, offset in enumerate(offsets):
            q, k = head * self.head_width, width + head * self.head_width
            angle = offset * self.frequencies[:used].float()
            qkv[q:q + self.head_width] *= 0.3
            qkv[k:k + self.head_width] *= 0.3
            qkv[q:q + used, 0] = 2.4 * torch.cos(angle)
            qkv[q + half:q + half + used, 0] = 2.4 * torch.sin(angle)
            qkv[k:k + used, 0] = 2.4

    def forward(self, ids, dtype=torch.float32):
        texts, tokens = ids.shape
        width = (self.config["width"],)
        norm = lambda x, weight: F.layer_norm(x, width, weight.to(dtype), None, EPSILON)
        there = ids != PAD
        mask = torch.zeros(texts, 1, 1, tokens, dtype=dtype, device=ids.device)
        mask.masked_fill_(~there[:, None, None], float("-inf"))
        if tokens not in self.turns:
            angles = torch.arange(tokens, dtype=torch.float64)[:, None] * self.frequencies
            self.turns[tokens] = [f(angles).to(ids.device, dtype) for f in (torch.cos, torch.sin)]
        cos, sin = self.turns[tokens]
        x = norm(F.embedding(ids, self.token_embd).to(dtype), self.token_embd_norm)
        for l in range(self.config["layers"]):
            h = norm(x, self.attn_norm[l]) if l else x
            qkv = F.linear(h, self.attn_qkv[l].to(dtype)).view(texts, tokens, 3, self.heads, -1)
            q, k, v = qkv.permute(2, 0, 3, 1, 4)
            h = attend(rotate(q, cos, sin), rotate(k, cos, sin), v, mask)
            h = h.transpose(1, 2).reshape(texts, tokens, -1)
            x = x + F.linear(h, self.attn_output[l].to(dtype))
            gate, up = F.linear(norm(x, self.ffn_norm[l]), self.ffn_up[l].to(dtype)).chunk(2, -1)
            x = x + F.linear(F.gelu(gate, approximate="tanh") * up, self.ffn_down[l].to(dtype))
        x = norm(x, self.output_norm)
        return F.normalize((x * there[..., None].to(dtype)).float().sum(1), dim=-1)


def rotate(x, cos, sin):
    """Rotates the pairs (i, i + half) of each head's row (Su 2021, as NeoX pairs them)."""
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


def attend(q, k, v, mask):
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + mask, -1) @ v


class Optimiser:
    """Muon (Jordan 2024) for the matrices of the layers, Adam for all else; rates are set per step."""

    def __init__(self, model, rates):
        layers = [p for name in ("attn_qkv", "attn_output", "ffn_up", "ffn_down")
                  for p in getattr(model, name)]
        self.matrices, self.rates = [(p, torch.zeros_like(p)) for p in layers], rates
        taken = {id(p) for p in layers}
        rest = [p for p in model.parameters() if id(p) not in taken and p is not model.token_embd]
        self.adam = torch.optim.Adam([{"params": [model.token_embd], "rate": rates["embedding"]},
                                      {"params": rest, "rate": rates["rest"]}], betas=(0.9, 0.98))

    @torch.no_grad()
    def step(self, factor):
        for group in self.adam.param_groups:
            group["lr"] = group["rate"] * factor
        self.adam.step()
        for p, momentum in self.matrices:
            momentum.mul_(0.95).add_(p.grad)
            update = p.grad.add(momentum, alpha=0.95)
            rows, columns = update.shape
            pile = 3 if rows == 3 * columns else 1  # queries, keys and values lie in one
            update = orthogonal(update.view(pile, rows // pile, columns)).to(p.dtype).view_as(p)
            size = 0.2 * math.sqrt(max(rows // pile, columns))  # as great as Adam's steps
            p.sub_(update, alpha=self.rates["matrix"] * factor * size)
            p.grad = None
        self.adam.zero_grad(set_to_none=True)


def contrastive_loss(queries, passages, scale):
    """Each query has to find its passage among all, and each passage its query (InfoNCE)."""
    scores = scale * queries @ passages.T
    own = torch.arange(len(queries), device=scores.device)
    return 0.75 * F.cross_entropy(scores, own) + 0.25 * F.cross_entropy(scores.T, own)


def shape_of(step, pairs):
    """(pairs, passages of one document, passage length, query length) of a step's batch."""
    length = (128, 192, 160, 256, 96, 224)[step % 6]
    return pairs, (8, 16, 4, 32)[step % 4], length, 40


@torch.no_grad()
def recall(model, pairs, device, dtype, at=(1, 10)):
    """How often a query's passage is among the best, of all passages given."""
    model.eval()
    rows = lambda ids: torch.cat([model(torch.from_numpy(part).to(device).long(), dtype)
                                  for part in np.array_split(ids, max(1, len(ids) // 500))])
    scores = rows(pairs[0]) @ rows(pairs[1]).T
    better = (scores > scores.diagonal()[:, None]).sum(1)
    return [float((better < k).float().mean()) for k in at]


def save_weights(model, folder, log):
    """Arrays named as in GGUF files (blk.N.attn_qkv), in as many files as keep each below MOST_BYTES:
    matrices as bytes of Q8_0, vectors as float32; their shapes, the network's and the log in the
    first."""
    parts, size, shapes = [{}], 0, {}
    for name, p in model.state_dict().items():
        family, _, layer = name.partition(".")
        name = f"blk.{layer}.{family}" if layer else name
        array, shapes[name] = p.float().cpu().numpy(), list(p.shape)
        if p.dim() == 2:
            array = np.frombuffer(q8_0(array), np.uint8)
        if size + array.nbytes > MOST_BYTES:
            parts.append({})
            size = 0
        parts[-1][name] = array
        size += array.nbytes
    facts = json.dumps({"config": model.config, "shapes": shapes, "log": log})
    parts[0]["facts"] = np.frombuffer(facts.encode(), np.uint8)
    for i, part in enumerate(parts):
        np.savez(os.path.join(folder, f"weights-{i}.npz"), **part)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="file that tools/embedder_data.py made")
    parser.add_argument("--out", required=True, help="folder for weights and log")
    parser.add_argument("--seconds", type=float, default=75, help="time for steps and evaluations")
    parser.add_argument("--steps", type=int, default=10**9, help="at most so many")
    parser.add_argument("--pairs", type=int, default=1024, help="in a batch")
    parser.add_argument("--width", type=int, default=1024, help="of vectors")
    parser.add_argument("--heads", type=int, default=16)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=768, help="width inside a feed-forward half")
    parser.add_argument("--rope-base", type=float, default=1000)
    parser.add_argument("--rate-matrix", type=float, default=3e-3, help="of layers' matrices (Muon)")
    parser.add_argument("--rate-embedding", type=float, default=1e-2, help="of tokens' rows (Adam)")
    parser.add_argument("--rate-rest", type=float, default=2e-3, help="of norms and scale (Adam)")
    parser.add_argument("--warm-up", type=float, default=0.03, help="share of the time")
    parser.add_argument("--decay", type=float, default=0.6, help="share of the time, at the end")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 3),
                        help="processes that make pairs")
    parser.add_argument("--held-out-pairs", type=int, default=4000, help="for the evaluation")
    parser.add_argument("--every", type=float, default=15, help="seconds between evaluations")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main():
    args = arguments()
    torch.manual_seed(args.seed)
    os.makedirs(args.out, exist_ok=True)
    arrays = load(args.data)
    context, queues, processes = multiprocessing.get_context("fork"), [], []
    for worker in range(args.workers):
        queues.append(context.Queue(3))
        processes.append(context.Process(target=serve, args=(
            arrays, worker, args.workers, args.seed, args.pairs, queues[-1]), daemon=True))
        processes[-1].start()
    device = "cuda" if torch.cuda.is_available() else "cpu"  # asked after the processes forked
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    held_out = PairMaker(arrays, held_out=True, kinds=(1, 0, 0, 0), exchange=0).batch(
        7, args.held_out_pairs, 8, 224, 40)
    model = Embedder(len(arrays["scores"]), args.width, args.heads, args.layers, args.hidden,
                     args.rope_base)
    model.begin(torch.from_numpy(np.bincount(arrays["tokens"], minlength=len(arrays["scores"]))))
    model.to(device)
    print(f"{sum(p.numel() for p in model.parameters()):,} weights, on {device}", flush=True)
    optimiser = Optimiser(model, {"matrix": args.rate_matrix, "embedding": args.rate_embedding,
                                  "rest": args.rate_rest})
    rows, step, began, last = [], 0, time.time(), 0.0

    def evaluate(loss):
        one, ten = recall(model, held_out, device, dtype)
        rows.append([step, round(time.time() - began, 1), round(loss, 4), round(one, 4), round(ten, 4),
                     round(math.exp(model.log_scale.item()), 1)])
        print("step {} at {} s: loss {}, held out recall@1 {} @10 {}, scale {}".format(*rows[-1]),
              flush=True)

    evaluate(float("nan"))
    losses = []
    while (passed := time.time() - began) < args.seconds and step < args.steps:
        done = max(passed / args.seconds, step / args.steps)
        factor = min(1.0, (done + 1e-3) / args.warm_up, (1 - done) / args.decay + 0.01)
        queries, passages = (torch.from_numpy(ids).to(device, non_blocking=True).long()
                             for ids in queues[step % args.workers].get())
        model.train()
        loss = contrastive_loss(model(queries, dtype), model(passages, dtype),
                                model.log_scale.exp().clamp(max=100))
        loss.backward()
        optimiser.step(factor)
        losses.append(loss.detach())
        step += 1
        if step % 10 == 0:
            losses = [torch.stack(losses).mean()]
            losses[0].item()  # waits, so that time is time
        if time.time() - began - last > args.every:
            last = time.time() - began
            evaluate(torch.stack(losses).mean().item())
    evaluate(torch.stack(losses).mean().item() if losses else float("nan"))
    save_weights(model, args.out, rows)
    for process in processes:
        process.terminate()


def serve(arrays, worker, workers, seed, pairs, queue):
    serve_batches(arrays, worker, workers, seed, lambda step: shape_of(step, pairs), queue, {})


if __name__ == "__main__":
    main()
