#!/usr/bin/env python3
"""Trains a model from nothing on a GPU, with the same config and tokens as `issun pretrain`.

Not needed to make a model: `issun pretrain` does the same on a CPU, with AdamW. This script is for
where a GPU is at hand: more text in less time, Muon, and a last part in which the weights are
trained as what Q4_0 will make of them, so that the small file loses next to nothing.

Data: a folder made by `pack_tokens.py`. Time, not steps, says how long: the rate is constant until
--late of the time has gone and then falls linearly; talks and long rows come in the late part.
"""
import argparse
import csv
import json
import lzma
import math
import pathlib
import time

import numpy as np
import torch

import language_model as lm
from gguf_file import read_metadata
from muon import Optimiser
from write_model import write_model

def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--config", required=True, help="JSON file as of `issun pretrain`; its `model` counts")
    p.add_argument("--tokenizer", required=True, help="GGUF file with the vocabulary")
    p.add_argument("--chat-template-file", help="Jinja file to write into the model")
    p.add_argument("--data", required=True, nargs="+", help="folders of packed tokens")
    p.add_argument("--out", required=True, help="folder for the model, its curve and a report")
    p.add_argument("--seconds", type=float, required=True, help="of training, compiling not counted")
    p.add_argument("--steps", type=int, default=0, help="at most so many steps (0: time alone counts)")
    p.add_argument("--batch", type=int, default=131072, help="tokens of a step")
    p.add_argument("--micro", type=int, default=65536, help="tokens at once")
    p.add_argument("--length", type=int, default=2048, help="tokens of a row")
    p.add_argument("--long", type=int, default=8192, help="tokens of a long row, in the late part")
    p.add_argument("--weights", default="en=1,ja=1", help="shares of the streams, name=share,...")
    p.add_argument("--late", type=float, default=0.6, help="part of the time after which it is late")
    p.add_argument("--late-talks", type=float, default=0.35, help="share of talks, late")
    p.add_argument("--late-long", type=float, default=0.2, help="share of long rows, late")
    p.add_argument("--matrix-rate", type=float, default=4e-3, help="Muon's rate at its peak")
    p.add_argument("--other-rate", type=float, default=3e-3, help="AdamW's rate at its peak")
    p.add_argument("--balance", type=float, default=0.003, help="factor of the experts' balance loss")
    p.add_argument("--q4-0", action="store_true", help="late: train what Q4_0 makes of the weights")
    p.add_argument("--turns", help="folder by which several runs share a GPU: wait for the file named "
                   "--turn in it before the clock starts, make the next one when done")
    p.add_argument("--turn", type=int, default=0, help="this run's number, from 0")
    p.add_argument("--no-compile", action="store_true", help="for tests without a GPU")
    p.add_argument("--seed", type=int, default=1)
    return p.parse_args()


def shape_of(path, vocabulary):
    model = json.loads(pathlib.Path(path).read_text())["model"]
    return lm.Shape(vocabulary=vocabulary, width=model["embedding_length"], layers=model["layers"],
                    heads=model["heads"], kv_heads=model.get("kv_heads", model["heads"]),
                    feed_forward=model["feed_forward_length"], context=model["context_length"],
                    experts=model.get("experts", 0), experts_used=model.get("experts_used", 0),
                    rope_base=model.get("rope_base", 10000.0),
                    epsilon=model.get("norm_epsilon", 1e-5)), model


def read_streams(folders, device):
    """name -> (tokens, learnt or None) on the device. Files: NAME.N.tokens.xz (u16) and, where not
    every token counts, NAME.N.learnt.xz (bytes 0 and 1); `held-NAME` are for looking only."""
    parts = {}
    for path in sorted(p for folder in folders for p in pathlib.Path(folder).glob("*.tokens.xz")):
        learnt = pathlib.Path(str(path).replace(".tokens.xz", ".learnt.xz"))
        tokens = np.frombuffer(lzma.decompress(path.read_bytes()), np.uint16)
        marks = np.frombuffer(lzma.decompress(learnt.read_bytes()), np.uint8) if learnt.exists() else None
        parts.setdefault(path.name.split(".")[0], []).append((tokens, marks))
    def joined(arrays, kind):
        if any(a is None for a in arrays):
            return None
        return torch.from_numpy(np.concatenate(arrays).astype(kind)).to(device)
    return {name: (joined([t for t, _ in found], np.int32), joined([m for _, m in found], np.bool_))
            for name, found in parts.items()}


class Rows:
    """Rows of a stream without repetition within a pass; each pass begins at another token."""

    def __init__(self, stream, length, seed):
        self.tokens, self.learnt = stream
        self.length, self.source = length, np.random.default_rng(seed)
        self.order, self.passes, self.taken = np.zeros(0, np.int64), 0, 0

    def take(self, count):
        """tokens and targets, (count, length)."""
        while len(self.order) < count:
            start = self.source.integers(self.length) if self.passes else 0
            rows = max(1, (len(self.tokens) - 1 - start) // self.length)
            self.order = np.concatenate([self.order,
                                         self.source.permutation(rows) * self.length + start])
            self.passes += 1
        begins, self.order = self.order[:count], self.order[count:]
        self.taken += count * self.length
        device = self.tokens.device
        at = torch.from_numpy(begins).to(device)[:, None] + torch.arange(self.length + 1, device=device)
        rows = self.tokens[at].long()
        targets = rows[:, 1:]
        if self.learnt is not None:
            targets = targets.masked_fill(~self.learnt[at[:, 1:]], -100)
        return rows[:, :-1], targets


class Mixture:
    """What the next micro batch is made of."""

    def __init__(self, args, streams):
        self.args, self.source = args, np.random.default_rng(args.seed)
        shares = dict(pair.split("=") for pair in args.weights.split(","))
        missing = [n for n in shares if n not in streams]
        if missing:
            raise SystemExit(f"--weights: expected streams of {sorted(streams)}, found {missing}")
        self.names = list(shares)
        self.shares = np.array([float(s) for s in shares.values()]) / sum(map(float, shares.values()))
        self.short = {n: Rows(streams[n], args.length, args.seed + i) for i, n in enumerate(self.names)}
        self.long = {n: Rows(streams[n], args.long, args.seed + 50 + i) for i, n in enumerate(self.names)}
        self.talks = Rows(streams["talks"], args.length, args.seed + 99) if "talks" in streams else None

    def take(self, late):
        args, draw = self.args, self.source.random()
        if late and self.talks and draw < args.late_talks:
            return self.talks.take(args.micro // args.length)
        name = self.source.choice(self.names, p=self.shares)
        if late and draw > 1 - args.late_long:
            return self.long[name].take(max(1, args.micro // args.long))
        return self.short[name].take(args.micro // args.length)

    def counts(self):
        found = {n: self.short[n].taken + self.long[n].taken for n in self.names}
        return {**found, **({"talks": self.talks.taken} if self.talks else {})}


def effective(weights, quantise):
    """What the network computes with: leaves in BF16 (matrices) or F32 (the rest).
    quantise: what stands between a matrix and its BF16 form, or None."""
    def leaf(name, w):
        if "norm" in name or name == "ffn_gate_inp":
            return w.detach().clone().requires_grad_()
        return (quantise(w) if quantise else w).bfloat16().detach().requires_grad_()
    return {name: leaf(name, w) for name, w in weights.items()}


@torch.no_grad()
def held_out(shape, weights, streams, parts, args):
    """name -> nats a token of each held-out stream."""
    result = {}
    for name, stream in streams.items():
        if not name.startswith("held-"):
            continue
        rows = Rows(stream, args.length, 0)
        count = args.micro // args.length
        total = number = 0
        for _ in range(max(1, len(stream[0]) // args.length // count)):
            tokens, targets = rows.take(count)
            with torch.enable_grad():
                loss, targets_seen, _ = lm.losses(shape, weights, tokens, targets, parts)
            total, number = total + loss.detach().item(), number + targets_seen.item()
        result[name[5:]] = total / number
    return result


def record_routes(shape, weights, streams, args, path):
    """Saves which experts held-out text visits: of each stream its tokens (n,) and the experts
    (layers, n, experts_used), for `routing_report.py`."""
    found = {}
    for name, stream in streams.items():
        if name.startswith("held-"):
            count = min(16, (len(stream[0]) - 1) // args.length)
            tokens, _ = Rows(stream, args.length, 0).take(count)
            chosen = lm.routes(shape, weights, tokens)
            found[name[5:] + ".tokens"] = tokens.flatten().cpu().numpy().astype(np.uint16)
            found[name[5:] + ".experts"] = chosen.flatten(1, 2).cpu().numpy().astype(np.uint8)
    np.savez_compressed(path, **found)


def warm_up(args, shape, weights, matrices, quantise, parts, device):
    """Compiles everything, and takes one step of rate 0 whose moments are forgotten."""
    for length in {args.length, args.long}:
        tokens = torch.randint(0, shape.vocabulary, (max(1, args.micro // length), length), device=device)
        used = effective(weights, quantise)
        loss, _, _ = lm.losses(shape, used, tokens, tokens, parts)
        loss.backward()
    Optimiser(weights, matrices).step({n: w.grad for n, w in used.items()}, 0.0, 0.0)
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
    print("ready", flush=True)


def wait_for_turn(args):
    while args.turns and not (pathlib.Path(args.turns) / str(args.turn)).exists():
        time.sleep(0.05)


def train(args, shape, streams, device):
    compiled = (lambda f: f) if args.no_compile else torch.compile
    parts = compiled(lm.layer), compiled(lm.cross_entropy)
    quantise = compiled(lm.as_q4_0) if args.q4_0 else None
    weights = lm.fresh(shape, args.seed, device)
    experts = max(1, shape.experts)
    matrices = {n: (rows // experts if n.startswith("ffn") else rows, columns)
                for n, (_, rows, columns) in shape.matrices().items()}
    optimiser, mixture = Optimiser(weights, matrices), Mixture(args, streams)
    micro_batches = max(1, args.batch // args.micro)
    warm_up(args, shape, weights, matrices, quantise, parts, device)
    wait_for_turn(args)
    begin, curve, step, seen, behind = time.monotonic(), [], 0, 0, None
    while True:
        part = (time.monotonic() - begin) / args.seconds
        if args.steps:
            part = max(part, step / args.steps)
        if part >= 1:
            break
        late = part > args.late
        rate = min(1, (step + 1) / 100, (1.02 - part) / (1.02 - args.late))
        used = effective(weights, quantise if late else None)
        total = number = 0
        for _ in range(micro_batches):
            tokens, targets = mixture.take(late)
            loss, count, balance = lm.losses(shape, used, tokens, targets, parts)
            (loss / args.batch + args.balance * balance / micro_batches).backward()
            total, number = total + loss.detach(), number + count
            seen += tokens.numel()
        optimiser.step({n: w.grad for n, w in used.items()}, args.matrix_rate * rate, args.other_rate * rate)
        step += 1
        if behind is not None:
            behind.synchronize()  # the queue holds one step, so that the clock is true
        if device == "cuda":
            behind = torch.cuda.Event()
            behind.record()
        if step % 50 == 0 or step == 1:
            value = (total / number).item()
            curve.append((step, seen, time.monotonic() - begin, value))
            print(f"step {step} tokens {seen/1e6:.1f}M {time.monotonic()-begin:.0f}s loss {value:.4f}", flush=True)
            if not math.isfinite(value):
                raise SystemExit("the loss is no number")
    seconds = time.monotonic() - begin
    if args.turns:
        (pathlib.Path(args.turns) / str(args.turn + 1)).touch()
    held = held_out(shape, effective(weights, quantise), streams, parts, args)
    plain = held_out(shape, effective(weights, None), streams, parts, args)
    report = {"steps": step, "tokens": seen, "seconds": seconds, "tokens_per_second": seen / seconds,
              "streams": mixture.counts(), "stream_tokens": {n: len(s[0]) for n, s in streams.items()},
              "held_out_nats_per_token": held, "held_out_unquantised": plain, "arguments": vars(args),
              "device": torch.cuda.get_device_name() if device == "cuda" else "CPU"}
    return weights, curve, report


def main():
    args = arguments()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = read_metadata(args.tokenizer)
    shape, model = shape_of(args.config, len(tokenizer["tokenizer.ggml.tokens"][1][1]))
    streams = read_streams(args.data, device)
    print({n: len(s[0]) for n, s in streams.items()}, flush=True)
    torch.manual_seed(args.seed)
    torch.set_float32_matmul_precision("high")
    weights, curve, report = train(args, shape, streams, device)
    with open(out / "curve.csv", "w", newline="") as file:
        csv.writer(file).writerows([("step", "tokens", "seconds", "loss"), *curve])
    (out / "report.json").write_text(json.dumps(report, indent=1))
    print(json.dumps({k: report[k] for k in ("steps", "tokens", "tokens_per_second", "streams",
                      "held_out_nats_per_token", "held_out_unquantised")}), flush=True)
    if shape.experts:
        record_routes(shape, effective(weights, None), streams, args, out / "routes.npz")
    template = pathlib.Path(args.chat_template_file).read_text() if args.chat_template_file else None
    arrays = {n: w.detach().float().cpu().numpy() for n, w in weights.items()}
    for kind in ("q4_0", "f16"):
        write_model(out / f"model.{kind}.gguf", kind, shape, model["name"], tokenizer, template, arrays)


if __name__ == "__main__":
    main()
