#!/usr/bin/env python3
"""Trains a model on a GPU, from nothing or from another, with the same config and tokens as `issun pretrain`.

Not needed to make a model: `issun pretrain` does the same on a CPU, with AdamW. This script is for
where a GPU is at hand: more text in less time, Muon, and a last part in which the weights are
trained as what Q4_0 will make of them, so that the small file loses next to nothing.

Data: a folder made by `pack_tokens.py`. Time, not steps, says how long: the rate is constant until
--late of the time has gone and then falls linearly; long rows come in the late part. Streams named
talks-N are rows of N tokens, of whole talks each; --talks says how many of the tokens are theirs.
What there is of the model is written every --save-every seconds, lest a cut leaves nothing. When the
loss of text rises far above the least so far, training goes back to there at half the rate.
"""
import argparse
import concurrent.futures
import csv
import importlib
import json
import lzma
import math
import pathlib
import threading
import time

import numpy as np
import torch

import language_model as lm
from block_formats import decoded
from gguf_file import read_metadata, read_tensors
from muon import Optimiser
from write_model import write_model

def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--config", required=True, help="JSON file as of `issun pretrain`; its `model` counts")
    p.add_argument("--tokenizer", required=True, help="GGUF file with the vocabulary")
    p.add_argument("--chat-template-file", help="Jinja file to write into the model")
    p.add_argument("--data", required=True, nargs="+", help="folders of packed tokens")
    p.add_argument("--start", help="GGUF file of the same shape whose weights training begins with")
    p.add_argument("--out", required=True, help="folder for the model, its curve and a report")
    p.add_argument("--seconds", type=float, required=True, help="of training, compiling not counted")
    p.add_argument("--steps", type=int, default=0, help="at most so many steps (0: time alone counts)")
    p.add_argument("--by", type=float, default=0, help="seconds since 1970 by which all has to be written; "
                   "shortens --seconds")
    p.add_argument("--save-every", type=float, default=100, help="seconds from one model written to the next")
    p.add_argument("--batch", type=int, default=65536, help="tokens of a step")
    p.add_argument("--micro", type=int, default=32768, help="tokens at once")
    p.add_argument("--length", type=int, default=2048, help="tokens of a row")
    p.add_argument("--long", type=int, default=8192, help="tokens of a long row, in the late part")
    p.add_argument("--weights", default="en=1,ja=1", help="shares of the streams, name=share,...")
    p.add_argument("--late", type=float, default=0.6, help="part of the time after which it is late")
    p.add_argument("--talks", default="0.6=0.35", help="share of talks, each from a part of the time: "
                   "0.6=0.35,0.85=0.5")
    p.add_argument("--answers", type=float, default=1, help="weight of a token learnt of talks; of others it is 1")
    p.add_argument("--late-long", type=float, default=0.2, help="share of long rows among the text, late")
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
    paths = sorted(p for folder in folders for p in pathlib.Path(folder).glob("*.tokens.xz"))
    marks = [pathlib.Path(str(path).replace(".tokens.xz", ".learnt.xz")) for path in paths]
    there = [path for path in paths + marks if path.exists()]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        content = dict(zip(there, pool.map(lambda path: lzma.decompress(path.read_bytes()), there)))
    parts = {}
    for path, learnt in zip(paths, marks):
        parts.setdefault(path.name.split(".")[0], []).append(
            (np.frombuffer(content[path], np.uint16),
             np.frombuffer(content[learnt], np.uint8) if learnt in content else None))
    def joined(arrays, kind):
        if any(a is None for a in arrays):
            return None
        return torch.from_numpy(np.concatenate(arrays).astype(kind)).to(device)
    return {name: (joined([t for t, _ in found], np.int32), joined([m for _, m in found], np.bool_))
            for name, found in parts.items()}


def weights_of(path, shape, device):
    """The weights of a GGUF file as `language_model.fresh` lays them out."""
    tensors = {name: decoded(*tensor) for name, tensor in read_tensors(path).items()}
    found = {"token_embd": tensors["token_embd.weight"], "output_norm": tensors["output_norm.weight"]}
    for name in {n.split(".")[2] for n in tensors if n.startswith("blk.")}:
        found[name.removesuffix("_exps")] = np.stack([tensors[f"blk.{l}.{name}.weight"] for l in range(shape.layers)])
    result = {}
    for name, like in lm.fresh(shape, 0, "cpu").items():
        if name not in found or found[name].size != like.numel():
            raise SystemExit(f"{path}: expected {name} of {tuple(like.shape)}")
        result[name] = torch.from_numpy(found[name].reshape(like.shape)).float().to(device)
    return result


class Rows:
    """Rows of a stream without repetition within a pass; each pass begins at another token, unless
    rows are whole talks."""

    def __init__(self, stream, length, seed, whole=False):
        self.tokens, self.learnt = stream
        self.length, self.whole, self.source = length, whole, np.random.default_rng(seed)
        self.order, self.passes, self.taken = np.zeros(0, np.int64), 0, 0

    def take(self, count):
        """tokens and targets, (count, length)."""
        while len(self.order) < count:
            start = self.source.integers(self.length) if self.passes and not self.whole else 0
            rows = max(1, (len(self.tokens) - 1 - start) // self.length)
            self.order = np.concatenate([self.order,
                                         self.source.permutation(rows) * self.length + start])
            self.passes += 1
        begins, self.order = self.order[:count], self.order[count:]
        self.taken += count * self.length
        device = self.tokens.device
        begins = torch.from_numpy(begins)
        if device.type == "cuda":
            begins = begins.pin_memory().to(device, non_blocking=True)
        at = begins[:, None] + torch.arange(self.length + 1, device=device)
        rows = self.tokens[at].long()
        targets = rows[:, 1:]
        if self.learnt is not None:
            targets = targets.masked_fill(~self.learnt[at[:, 1:]], -100)
        return rows[:, :-1], targets


class Turns:
    """Says yes to a share of its askings, as evenly as it can."""

    def __init__(self):
        self.owed = 0.0

    def comes(self, share):
        self.owed += share
        yes = self.owed >= 0.5
        self.owed -= yes
        return yes


class Mixture:
    """What the next micro batch is made of."""

    def __init__(self, args, streams):
        self.args, self.source = args, np.random.default_rng(args.seed)
        shares = dict(pair.split("=") for pair in args.weights.split(","))
        missing = [n for n in shares if n not in streams]
        if missing:
            raise SystemExit(f"--weights: expected streams of {sorted(streams)}, found {missing}")
        self.shares = {n: float(s) / sum(map(float, shares.values())) for n, s in shares.items()}
        self.short = {n: Rows(streams[n], args.length, args.seed + i) for i, n in enumerate(shares)}
        self.long = {n: Rows(streams[n], args.long, args.seed + 50 + i) for i, n in enumerate(shares)}
        self.talks = {n: Rows(stream, int(n.split("-")[1]), args.seed + 99, whole=True)
                      for n, stream in streams.items() if n.startswith("talks-")}
        sizes = {n: len(rows.tokens) for n, rows in self.talks.items()}
        self.talk_shares = {n: size / sum(sizes.values()) for n, size in sizes.items()}
        self.steps_of_talks = sorted(tuple(map(float, pair.split("="))) for pair in args.talks.split(",") if pair)
        self.talk_turns, self.long_turns = Turns(), Turns()
        self.owed = {n: 0.0 for n in (*self.shares, *self.talk_shares)}

    def next_of(self, shares):
        """The name that is owed most."""
        for name, share in shares.items():
            self.owed[name] += share
        name = max(shares, key=lambda n: self.owed[n])
        self.owed[name] -= 1
        return name

    def lengths(self):
        return {self.args.length, self.args.long, *(rows.length for rows in self.talks.values())}

    def take(self, part):
        """("talks" or "text", tokens, targets) for a part of the time that has gone."""
        args = self.args
        share = max([(since, share) for since, share in self.steps_of_talks if since <= part], default=(0, 0.0))[1]
        if self.talks and self.talk_turns.comes(share):
            rows = self.talks[self.next_of(self.talk_shares)]
            return ("talks", *rows.take(max(1, args.micro // rows.length)))
        name = self.next_of(self.shares)
        rows = self.long[name] if part > args.late and self.long_turns.comes(args.late_long) else self.short[name]
        return ("text", *rows.take(max(1, args.micro // rows.length)))

    def counts(self):
        found = {n: self.short[n].taken + self.long[n].taken for n in self.shares}
        return {**found, **{n: rows.taken for n, rows in self.talks.items()}}


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


def warm_up(args, shape, weights, matrices, quantise, parts, lengths, device):
    """Compiles everything, and takes one step of rate 0 whose moments are forgotten."""
    for length in sorted(lengths):
        begin = time.monotonic()
        tokens = torch.randint(0, shape.vocabulary, (max(1, args.micro // length), length), device=device)
        used = effective(weights, quantise)
        loss, _, _ = lm.losses(shape, used, tokens, tokens, parts)
        loss.backward()
        print(f"rows of {length}: ready after {time.monotonic() - begin:.1f} s", flush=True)
    Optimiser(weights, matrices).step({n: w.grad for n, w in used.items()}, 0.0, 0.0)
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.empty_cache()


def wait_for_turn(args):
    while args.turns and not (pathlib.Path(args.turns) / str(args.turn)).exists():
        time.sleep(0.05)


KERNELS = ("flash", "cudnn")    # for attention


def use_attention(name):
    torch.backends.cuda.enable_flash_sdp(name != "cudnn")
    torch.backends.cuda.enable_cudnn_sdp(name != "flash")


def quickest_attention(shape, args):
    """Of the kernels for attention the quickest that agrees with the usual one."""
    sizes = (args.micro // args.length, args.length, shape.heads, shape.head_width)
    q, k, v, up = (torch.randn(sizes, device="cuda", dtype=torch.bfloat16).requires_grad_(i < 3) for i in range(4))
    def run():  # laid out in memory as in the network
        heads = (x.transpose(1, 2) for x in (q, k, v))
        out = torch.nn.functional.scaled_dot_product_attention(*heads, is_causal=True).transpose(1, 2)
        return out, *torch.autograd.grad(out, (q, k, v), up)
    results, times = {}, {}
    for name in KERNELS:
        use_attention(name)
        try:
            for _ in range(3):
                results[name] = run()
            torch.cuda.synchronize()
            begin = time.monotonic()
            for _ in range(10):
                run()
            torch.cuda.synchronize()
            times[name] = time.monotonic() - begin
        except RuntimeError as error:
            print(f"attention by {name}: {str(error)[:200]}", flush=True)
    def agrees(name):
        return all((a - b).float().norm() < 0.01 * b.float().norm() for a, b in zip(results[name], results["flash"]))
    able = [n for n in times if n == "flash" or "flash" in times and agrees(n)]
    print("attention, seconds for ten:", {n: round(t, 4) for n, t in times.items()}, "agree:", able, flush=True)
    return min(able, key=times.get, default="any")


def made_ready(args, shape, weights, matrices, lengths, device):
    """(parts, quantise, kernel for attention), compiled, or as they are where compiling fails."""
    attempts = [("any", False)]
    if device == "cuda":
        attempts = [("flash", True), ("any", True), ("any", False)]
        if (best := quickest_attention(shape, args)) != "flash":
            attempts.insert(0, (best, True))
    if args.no_compile:
        attempts = [(attention, False) for attention, _ in attempts]
    for attention, compiles in attempts:
        compiled = lambda f: f
        if device == "cuda":
            use_attention(attention)
        if compiles:
            dynamo = importlib.import_module("torch._dynamo")
            dynamo.reset()
            dynamo.config.automatic_dynamic_shapes = False  # a kernel for each length of rows
            compiled = torch.compile
        parts = compiled(lm.layer), compiled(lm.cross_entropy)
        quantise = compiled(lm.as_q4_0) if args.q4_0 else None
        try:
            warm_up(args, shape, weights, matrices, quantise, parts, lengths, device)
            print(f"attention by {attention}, {'compiled' if compiles else 'not compiled'}", flush=True)
            return parts, quantise, attention
        except Exception as error:  # whatever a compiler may raise
            if (attention, compiles) == attempts[-1]:
                raise
            print(f"with attention by {attention}: {type(error).__name__}: {str(error)[:500]}", flush=True)


class Saver:
    """Writes what there is of the model now and then, beside training."""

    def __init__(self, args, write):
        self.write, self.every, self.last, self.thread = write, args.save_every, time.monotonic(), None

    def look(self, weights):
        if time.monotonic() - self.last < self.every or self.thread and self.thread.is_alive():
            return
        self.last = time.monotonic()
        arrays = {n: w.detach().cpu().numpy() for n, w in weights.items()}
        self.thread = threading.Thread(target=self.write, args=("q4_0", arrays))
        self.thread.start()

    def close(self):
        if self.thread:
            self.thread.join()


class Guard:
    """Goes back to the weights of the least loss so far, at half the rate, once the loss has risen far
    above it: a run whose rate is too high does not recover by itself, not even when the rate falls."""
    RISE = 0.5      # nats a token; rounding to Q4_0, talks and long rows raise the loss of text by less

    def __init__(self, optimiser):
        self.optimiser, self.least, self.kept, self.rate = optimiser, math.inf, None, 1.0

    def look(self, loss):
        """loss: mean of the steps since the last look."""
        if loss < self.least:
            self.least, self.kept = loss, self.optimiser.state()
        elif not loss <= self.least + self.RISE:    # or no number
            if self.kept is None:
                raise SystemExit("the loss is no number")
            self.optimiser.go_back(self.kept)
            self.rate /= 2
            print(f"the loss of text rose from {self.least:.3f} to {loss:.3f}: back to there, at {self.rate:g} of the rates", flush=True)


RESERVE = 25  # seconds kept of --by for looking at held-out text and for writing


def train(args, shape, streams, write, device):
    weights = weights_of(args.start, shape, device) if args.start else lm.fresh(shape, args.seed, device)
    experts = max(1, shape.experts)
    matrices = {n: (rows // experts if n.startswith("ffn") else rows, columns)
                for n, (_, rows, columns) in shape.matrices().items()}
    optimiser, mixture = Optimiser(weights, matrices), Mixture(args, streams)
    parts, quantise, attention = made_ready(args, shape, weights, matrices, mixture.lengths(), device)
    if args.start:
        print("held out, before:", held_out(shape, effective(weights, None), streams, parts, args), flush=True)
    micro_batches = max(1, args.batch // args.micro)
    wait_for_turn(args)
    if args.by:
        args.seconds = min(args.seconds, args.by - time.time() - RESERVE)
    print(f"ready; {args.seconds:.0f} s of training", flush=True)
    saver, guard = Saver(args, write), Guard(optimiser)
    begin, curve, step, seen, behind = time.monotonic(), [], 0, 0, None
    total, number = {}, {}  # since the curve's last row
    while True:
        part = (time.monotonic() - begin) / args.seconds
        if args.steps:
            part = max(part, step / args.steps)
        if part >= 1:
            break
        late = part > args.late
        rate = guard.rate * min(1, (step + 1) / 100, (1.01 - part) / (1.01 - args.late))
        used = effective(weights, quantise if late else None)
        for _ in range(micro_batches):
            kind, tokens, targets = mixture.take(part)
            weight = args.answers if kind == "talks" else 1
            loss, count, balance = lm.losses(shape, used, tokens, targets, parts)
            (weight * loss / args.batch + args.balance * balance / micro_batches).backward()
            total[kind] = total.get(kind, 0) + loss.detach()
            number[kind] = number.get(kind, 0) + count
            seen += tokens.numel()
        optimiser.step({n: w.grad for n, w in used.items()}, args.matrix_rate * rate, args.other_rate * rate)
        step += 1
        if behind is not None:
            behind.synchronize()  # the queue holds one step, so that the clock is true
        if device == "cuda":
            behind = torch.cuda.Event()
            behind.record()
        if step % 50 == 0 or step == 1:
            values = {kind: (total[kind] / number[kind]).item() for kind in total}
            curve.append((step, seen, time.monotonic() - begin, values.get("text", ""), values.get("talks", "")))
            print(f"step {step} tokens {seen/1e6:.1f}M {time.monotonic()-begin:.0f}s loss "
                  f"{ {k: round(v, 4) for k, v in values.items()} }", flush=True)
            total, number = {}, {}
            guard.look(values.get("text", guard.least))
        saver.look(weights)
    seconds = time.monotonic() - begin
    saver.close()
    if args.turns:
        (pathlib.Path(args.turns) / str(args.turn + 1)).touch()
    write("q4_0", {n: w.detach().cpu().numpy() for n, w in weights.items()})
    held = held_out(shape, effective(weights, quantise), streams, parts, args)
    plain = held_out(shape, effective(weights, None), streams, parts, args)
    report = {"steps": step, "tokens": seen, "seconds": seconds, "tokens_per_second": seen / seconds,
              "streams": mixture.counts(), "stream_tokens": {n: len(s[0]) for n, s in streams.items()},
              "held_out_nats_per_token": held, "held_out_unquantised": plain, "arguments": vars(args),
              "share_of_the_rates_at_the_end": guard.rate,
              "attention": attention, "device": torch.cuda.get_device_name() if device == "cuda" else "CPU"}
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
    template = pathlib.Path(args.chat_template_file).read_text() if args.chat_template_file else None
    def write(kind, arrays):
        part = out / f"{kind}.part"
        write_model(part, kind, shape, model["name"], tokenizer, template, arrays)
        part.rename(out / f"model.{kind}.gguf")
    weights, curve, report = train(args, shape, streams, write, device)
    with open(out / "curve.csv", "w", newline="") as file:
        csv.writer(file).writerows([("step", "tokens", "seconds", "loss of text", "loss of talks"), *curve])
    (out / "report.json").write_text(json.dumps(report, indent=1))
    print(json.dumps({k: report[k] for k in ("steps", "tokens", "tokens_per_second", "streams",
                      "held_out_nats_per_token", "held_out_unquantised")}), flush=True)
    if shape.experts:
        record_routes(shape, effective(weights, None), streams, args, out / "routes.npz")
    write("f16", {n: w.detach().cpu().numpy() for n, w in weights.items()})


if __name__ == "__main__":
    main()
