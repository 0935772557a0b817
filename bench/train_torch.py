#!/usr/bin/env python3
"""The yardstick of training: a step of PyTorch on CPUs for a llama of the shape that a configuration gives,
as fast as PyTorch can be made. Prints one line of JSON. Needs python3-torch.

usage: train_torch.py CONFIG [--steps N] [--threads N] [--bf16] [--VARIANT=CHOICE ...]

Each variant has the choice first that was fastest when all were measured; the others are there to check
that on other machines and versions.
"""
import argparse
import json
import math
import os
import resource
import statistics
import sys
import time

VARIANTS = {
    # Some queries at a time against the keys that they see, back by hand; all at once by autograd; or
    # scaled_dot_product_attention, which PyTorch has from 2.0 on.
    "attention": ["blocks", "whole", "builtin"],
    "loss": ["chunks", "whole"],       # logits: some rows at a time, their gradient at once; or all
    "parts": ["own", "plain"],         # RMS norm, SwiGLU: forward and backward by hand; or by autograd
    "optimiser": ["flat", "foreach", "loop"],
    # Forward by oneDNN (as a convolution of one point), gradients by BLAS, those of weights added in place;
    # or all by BLAS.
    "linear": ["own", "plain"],
    "fuse": ["yes", "no"],             # q, k, v and gate, up as one matrix each
    "memory": ["kept", "huge", "plain"],  # freed memory stays with the process; and in huge pages; or not
    "blas": ["default", "Haswell", "Zen", "SkylakeX"],  # OPENBLAS_CORETYPE
}


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    parser.add_argument("--steps", type=int, default=5, help="measured ones, after --warm-up")
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--bf16", action="store_true", help="autocast of products to bfloat16")
    for name, choices in VARIANTS.items():
        parser.add_argument("--" + name, choices=choices, default=choices[0])
    return parser.parse_args()


def environment(options):
    """Begins again with what has to be set before the libraries are loaded."""
    wanted = {"OMP_NUM_THREADS": str(options.threads), "OPENBLAS_NUM_THREADS": str(options.threads)}
    if options.blas != "default":
        wanted["OPENBLAS_CORETYPE"] = options.blas
    if options.memory != "plain":
        wanted |= {"MALLOC_MMAP_THRESHOLD_": str(1 << 40), "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
                   "MALLOC_TOP_PAD_": str(64 << 20)}
    if options.memory == "huge":
        wanted["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=1"
    if all(os.environ.get(name) == value for name, value in wanted.items()):
        return
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **wanted})


OPTIONS = arguments()
environment(OPTIONS)

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402

torch.set_num_threads(OPTIONS.threads)
torch.manual_seed(1)


class RmsNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, gains, epsilon):
        length = x.shape[-1]
        inverse = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(length).add_(epsilon).rsqrt_()
        ctx.save_for_backward(x, gains, inverse)
        return (x * inverse).mul_(gains)

    @staticmethod
    def backward(ctx, d_out):
        x, gains, inverse = ctx.saved_tensors
        unit = x * inverse
        along = d_out * unit
        d_gains = along.flatten(0, -2).sum(0)
        mean = (along @ gains).unsqueeze(-1).div_(x.shape[-1])
        return (d_out * gains).addcmul_(unit, mean, value=-1).mul_(inverse), d_gains, None


class Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x)
        ctx.weight = weight  # itself, for its gradient
        points = x.reshape(1, 1, -1, x.shape[-1]).permute(0, 3, 1, 2)
        return F.conv2d(points, weight[:, :, None, None]).permute(0, 2, 3, 1).reshape(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx, d_out):
        x, = ctx.saved_tensors
        rows = d_out.flatten(0, -2)
        ctx.weight.grad.addmm_(rows.T, x.flatten(0, -2))
        return (rows @ ctx.weight).view_as(x), None


def linear(x, weight):
    # Autocast does not reach into the first, and it needs gradients that stay.
    own = OPTIONS.linear == "own" and OPTIONS.optimiser == "flat" and not OPTIONS.bf16
    return Product.apply(x, weight) if own else F.linear(x, weight)


class SwiGlu(torch.autograd.Function):
    """silu(gate) * up of rows that hold both."""

    @staticmethod
    def forward(ctx, both):
        ctx.save_for_backward(both)
        gate, up = both.chunk(2, -1)
        return F.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx, d_out):
        both, = ctx.saved_tensors
        gate, up = both.chunk(2, -1)
        d_both = torch.empty_like(both)
        d_gate, d_up = d_both.chunk(2, -1)
        torch.mul(F.silu(gate), d_out, out=d_up)
        d_gate.copy_(torch.ops.aten.silu_backward(d_out * up, gate))
        return d_both


class CausalAttention(torch.autograd.Function):
    """q (batch, group, length, width), k and v (batch, length, width); what is masked is not computed."""
    ROWS = 128

    @staticmethod
    def blocks(q, k):
        for first in range(0, k.shape[1], CausalAttention.ROWS):
            end = min(first + CausalAttention.ROWS, k.shape[1])
            yield slice(first, end), end

    @staticmethod
    def forward(ctx, q, k, v, mask):
        batch, group, _, width = q.shape
        out, kept = torch.empty_like(q), []
        for rows, end in CausalAttention.blocks(q, k):
            some = q[:, :, rows].reshape(batch, -1, width)
            seen = mask[rows, :end].repeat(group, 1).expand(batch, -1, -1)
            shares = torch.baddbmm(seen, some, k[:, :end].transpose(1, 2), alpha=width ** -0.5).softmax(-1)
            out[:, :, rows] = torch.bmm(shares, v[:, :end]).view(batch, group, -1, width)
            kept.append(shares)
        ctx.save_for_backward(q, k, v, *kept)
        return out

    @staticmethod
    def backward(ctx, d_out):
        q, k, v, *kept = ctx.saved_tensors
        batch, group, _, width = q.shape
        d_q, d_k, d_v = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        for shares, (rows, end) in zip(kept, CausalAttention.blocks(q, k)):
            some, d_some = (t[:, :, rows].reshape(batch, -1, width) for t in (q, d_out))
            d_v[:, :end].baddbmm_(shares.transpose(1, 2), d_some)
            slopes = torch.bmm(d_some, v[:, :end].transpose(1, 2))
            slopes = torch._softmax_backward_data(slopes, shares, -1, shares.dtype).mul_(width ** -0.5)
            d_q[:, :, rows] = torch.bmm(slopes, k[:, :end]).view(batch, group, -1, width)
            d_k[:, :end].baddbmm_(slopes.transpose(1, 2), some)
        return d_q, d_k, d_v, None


class ChunkedLoss(torch.autograd.Function):
    """Mean cross-entropy of hidden @ table.T; the gradients are made on the way, chunk by chunk."""
    ROWS = 512

    @staticmethod
    def forward(ctx, hidden, table, targets):
        d_hidden, d_table, loss = torch.empty_like(hidden), torch.zeros_like(table), 0.0
        for first in range(0, len(hidden), ChunkedLoss.ROWS):
            part = slice(first, first + ChunkedLoss.ROWS)
            wanted = targets[part].unsqueeze(-1)
            logits = F.log_softmax((hidden[part] @ table.T).float(), -1)
            loss -= logits.gather(-1, wanted).sum()
            d_logits = logits.exp_().scatter_add_(-1, wanted, torch.full_like(logits[:, :1], -1))
            d_logits = d_logits.div_(len(hidden)).to(hidden.dtype)
            torch.mm(d_logits, table, out=d_hidden[part])
            d_table.addmm_(d_logits.T, hidden[part])
        ctx.save_for_backward(d_hidden, d_table)
        return loss / len(hidden)

    @staticmethod
    def backward(ctx, slope):
        d_hidden, d_table = ctx.saved_tensors
        return d_hidden.mul_(slope), d_table.mul_(slope), None


class Network:
    def __init__(self, shape, length):
        self.shape, self.length = shape, length
        e, f = shape["embedding_length"], shape["feed_forward_length"]
        self.width, self.heads, self.kv_heads = shape["head_width"], shape["heads"], shape["kv_heads"]
        self.parts = [self.heads * self.width, self.kv_heads * self.width, self.kv_heads * self.width]

        def matrix(rows, columns):
            return torch.randn(rows, columns).mul_(0.02).requires_grad_()

        def gains():
            return torch.ones(e, requires_grad=True)

        def stacked(rows, columns):
            if OPTIONS.fuse == "yes":
                return [matrix(sum(rows), columns)]
            return [matrix(r, columns) for r in rows]

        self.embedding, self.output_norm = matrix(shape["vocabulary_size"], e), gains()
        self.output = self.embedding if shape["tied_output"] else matrix(shape["vocabulary_size"], e)
        self.layers = [{"norm": gains(), "qkv": stacked(self.parts, e), "out": matrix(e, self.parts[0]),
                        "ffn_norm": gains(), "gate_up": stacked([f, f], e), "down": matrix(e, f)}
                       for _ in range(shape["layers"])]
        angles = torch.arange(length).unsqueeze(-1) * shape["rope_base"] ** (
            -torch.arange(0, self.width, 2) / self.width)
        self.turn = torch.polar(torch.ones_like(angles), angles).unsqueeze(1)  # (length, 1, pairs)
        self.mask = torch.full((length, length), -math.inf).triu_(1)

    def parameters(self):
        own = [self.embedding, self.output_norm] + ([] if self.output is self.embedding else [self.output])
        for layer in self.layers:
            for part in layer.values():
                own += part if isinstance(part, list) else [part]
        return own

    def norm(self, x, gains):
        epsilon = self.shape["norm_epsilon"]
        if OPTIONS.parts == "own":
            return RmsNorm.apply(x, gains, epsilon)
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + epsilon) * gains

    def linears(self, x, matrices, parts):
        if len(matrices) == 1:
            return linear(x, matrices[0]).split(parts, -1)
        return [linear(x, m) for m in matrices]

    def rotate(self, x):
        """(sequences, length, heads x width) -> (sequences, length, heads, width)"""
        pairs = x.float().reshape(*x.shape[:2], -1, self.width // 2, 2)
        return torch.view_as_real(torch.view_as_complex(pairs) * self.turn).flatten(-2).to(x.dtype)

    def attention(self, x, layer):
        q, k, v = self.linears(x, layer["qkv"], self.parts)
        n, length, group = x.shape[0], self.length, self.heads // self.kv_heads
        q = self.rotate(q).transpose(1, 2)
        k, v = self.rotate(k).transpose(1, 2), v.unflatten(-1, (-1, self.width)).transpose(1, 2)
        if OPTIONS.attention == "builtin":
            k, v = (part.repeat_interleave(group, 1) for part in (k, v))
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            # The heads that share keys lie below each other: (n kv_heads, group, length, width).
            q = q.reshape(n * self.kv_heads, group, length, self.width)
            k, v = (part.reshape(n * self.kv_heads, length, self.width) for part in (k, v))
            mixed = (self.attend(q, k, v) if OPTIONS.attention == "whole" else
                     CausalAttention.apply(q, k, v, self.mask.to(q.dtype)))
            mixed = mixed.reshape(n, self.heads, length, self.width)
        return linear(mixed.transpose(1, 2).flatten(-2), layer["out"])

    def attend(self, q, k, v):
        batch, group, length, _ = q.shape
        mask = self.mask.to(q.dtype).repeat(group, 1).expand(batch, -1, -1)
        scores = torch.baddbmm(mask, q.flatten(1, 2), k.transpose(1, 2), alpha=self.width ** -0.5)
        return torch.bmm(scores.softmax(-1).to(v.dtype), v).unflatten(1, (group, length))

    def loss(self, tokens, targets):
        x = F.embedding(tokens, self.embedding)
        f = self.shape["feed_forward_length"]
        for layer in self.layers:
            x = x + self.attention(self.norm(x, layer["norm"]), layer)
            fed = self.norm(x, layer["ffn_norm"])
            if OPTIONS.parts == "own" and OPTIONS.fuse == "yes":
                fed = SwiGlu.apply(linear(fed, layer["gate_up"][0]))
            else:
                gate, up = self.linears(fed, layer["gate_up"], [f, f])
                fed = F.silu(gate) * up
            x = x + linear(fed, layer["down"])
        hidden = self.norm(x, self.output_norm).flatten(0, 1)
        if OPTIONS.loss == "chunks":
            kind = torch.bfloat16 if OPTIONS.bf16 else hidden.dtype
            return ChunkedLoss.apply(hidden.to(kind), self.output.to(kind), targets.flatten())
        return F.cross_entropy(linear(hidden, self.output).float(), targets.flatten())


class FlatAdamW:
    """AdamW over one array that all parameters are views of: few passes, no allocation."""

    def __init__(self, parameters, rate=3e-4, betas=(0.9, 0.95), epsilon=1e-8, decay=0.1):
        parameters = sorted(parameters, key=lambda p: p.dim())  # those that do not decay first
        self.rate, self.betas, self.epsilon, self.decay, self.taken = rate, betas, epsilon, decay, 0
        sizes = [p.numel() for p in parameters]
        self.plain = sum(p.numel() for p in parameters if p.dim() < 2)
        self.values, self.gradients = torch.empty(sum(sizes)), torch.zeros(sum(sizes))
        for p, value, gradient in zip(parameters, self.values.split(sizes), self.gradients.split(sizes)):
            value.copy_(p.data.flatten())
            p.data, p.grad = value.view_as(p), gradient.view_as(p)
        self.first, self.second = torch.zeros(sum(sizes)), torch.zeros(sum(sizes))

    def step(self):
        norm = torch.linalg.vector_norm(self.gradients)
        if norm > 1:
            self.gradients.div_(norm)
        self.taken += 1
        one, two = self.betas
        for part in range(0, len(self.values), 1 << 18):
            g, m, v, x = (a[part:part + (1 << 18)] for a in (self.gradients, self.first, self.second, self.values))
            m.lerp_(g, 1 - one)
            v.mul_(two).addcmul_(g, g, value=1 - two)
            x[max(0, self.plain - part):].mul_(1 - self.rate * self.decay)
            root = v.sqrt().div_(math.sqrt(1 - two ** self.taken)).add_(self.epsilon)
            x.addcdiv_(m, root, value=-self.rate / (1 - one ** self.taken))
        self.gradients.zero_()


class TorchAdamW:
    def __init__(self, parameters, foreach):
        self.parameters = parameters
        groups = [{"params": [p for p in parameters if (p.dim() > 1) == matrix],
                   "weight_decay": 0.1 if matrix else 0} for matrix in (True, False)]
        self.inner = torch.optim.AdamW(groups, lr=3e-4, betas=(0.9, 0.95), foreach=foreach)

    def step(self):
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.inner.step()
        self.inner.zero_grad(set_to_none=True)


def main():
    with open(OPTIONS.config, encoding="utf-8") as file:
        config = json.load(file)
    training = config["training"]
    length, sequences = training["sequence_length"], training["batch_sequences"]
    accumulate = training.get("accumulate", 1)
    network = Network(config["model"], length)
    parameters = network.parameters()
    optimiser = (FlatAdamW(parameters) if OPTIONS.optimiser == "flat" else
                 TorchAdamW(parameters, foreach=OPTIONS.optimiser == "foreach"))
    times, losses = [], []
    for step in range(OPTIONS.warm_up + OPTIONS.steps):
        data = torch.randint(config["model"]["vocabulary_size"], (accumulate, sequences, length + 1))
        begin, total = time.perf_counter(), 0.0
        for batch in data:
            with torch.autocast("cpu", torch.bfloat16, enabled=OPTIONS.bf16):
                loss = network.loss(batch[:, :-1].contiguous(), batch[:, 1:].contiguous()) / accumulate
            loss.backward()
            total += loss.item()
        optimiser.step()
        times.append(time.perf_counter() - begin)
        losses.append(round(total, 4))
    rates = [accumulate * sequences * length / t for t in times[OPTIONS.warm_up:]]
    print(json.dumps({
        "torch": torch.__version__, "config": OPTIONS.config, "threads": OPTIONS.threads, "bf16": OPTIONS.bf16,
        **{name: getattr(OPTIONS, name) for name in VARIANTS},
        "parameters": sum(p.numel() for p in parameters), "steps": OPTIONS.steps, "losses": losses,
        "tokens_per_second_median": round(statistics.median(rates), 1),
        "tokens_per_second_best": round(max(rates), 1),
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


if __name__ == "__main__":
    main()
