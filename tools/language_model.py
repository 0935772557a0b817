"""The network that `train_gpu.py` trains: GGUF's architecture `llama`, dense or with experts.

Weights of all layers stand in one array each, the layer first, so that an optimiser steps all
matrices of a kind at once. Rotation is by neighbouring pairs, as `llama` has it in GGUF.
"""
import functools
from dataclasses import dataclass

import torch
import torch.nn.functional as F


@dataclass
class Shape:
    """Of a network; `feed_forward` is that of one expert where there are experts."""
    vocabulary: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    feed_forward: int
    context: int
    experts: int = 0
    experts_used: int = 0
    rope_base: float = 10000.0
    epsilon: float = 1e-5

    @property
    def head_width(self):
        return self.width // self.heads

    def matrices(self):
        """name -> (layers, rows out, columns in)."""
        kv = self.kv_heads * self.head_width
        hidden = self.feed_forward * max(1, self.experts)
        result = {"attn_q": (self.width, self.width), "attn_k": (kv, self.width),
                  "attn_v": (kv, self.width), "attn_output": (self.width, self.width),
                  "ffn_gate": (hidden, self.width), "ffn_up": (hidden, self.width),
                  # of experts: each one's (width, feed_forward), one below the other
                  "ffn_down": (self.width * max(1, self.experts), self.feed_forward)}
        return {name: (self.layers, *size) for name, size in result.items()}


def fresh(shape, seed, device):
    """Parameters to begin with: normal, 0.02; matrices that end a branch smaller by depth."""
    source = torch.Generator(device="cpu").manual_seed(seed)
    def normal(size, deviation):
        return (torch.randn(size, generator=source) * deviation).to(device)
    ending = 0.02 / (2 * shape.layers) ** 0.5
    weights = {name: normal(size, ending if name in ("attn_output", "ffn_down") else 0.02)
               for name, size in shape.matrices().items()}
    weights["token_embd"] = normal((shape.vocabulary, shape.width), 0.02)
    if shape.experts:
        weights["ffn_gate_inp"] = normal((shape.layers, shape.experts, shape.width), 0.02)
    for name in ("attn_norm", "ffn_norm"):
        weights[name] = torch.ones(shape.layers, shape.width, device=device)
    weights["output_norm"] = torch.ones(shape.width, device=device)
    return weights


def as_q4_0(w):
    """What a matrix (..., columns) is once it was written as Q4_0 and read again."""
    blocks = w.float().unflatten(-1, (-1, 32))
    peak = blocks.gather(-1, blocks.abs().argmax(-1, keepdim=True))
    scale = peak / -8
    inverse = torch.where(scale != 0, 1 / scale, torch.zeros_like(scale))
    codes = (blocks * inverse + 8.5).floor().clamp(0, 15) - 8
    return (codes * scale.half().float()).flatten(-2)


@functools.cache
def _rotation(head_width, base, length, device):
    pairs = torch.arange(0, head_width, 2, device=device, dtype=torch.float32)
    angles = torch.outer(torch.arange(length, device=device, dtype=torch.float32), base ** (-pairs / head_width))
    return angles.cos(), angles.sin()


def rotation(shape, length, device):
    """Cosines and sines, (length, head_width / 2); made once."""
    return _rotation(shape.head_width, shape.rope_base, length, device)


def rotate(x, cos, sin):
    """x (batch, heads, length, head_width) turned by its positions."""
    a, b = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2).to(x.dtype)


def rms_norm(x, gain, epsilon):
    wide = x.float()
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + epsilon) * gain).to(x.dtype)


def attention(shape, x, w, cos, sin):
    batch, length, _ = x.shape
    def heads(name, count):
        return F.linear(x, w[name]).view(batch, length, count, -1).transpose(1, 2)
    q, k = (rotate(heads(name, count), cos, sin)
            for name, count in (("attn_q", shape.heads), ("attn_k", shape.kv_heads)))
    v = heads("attn_v", shape.kv_heads)
    groups = shape.heads // shape.kv_heads
    k, v = (t.repeat_interleave(groups, 1) for t in (k, v))
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    return F.linear(mixed.transpose(1, 2).flatten(2), w["attn_output"])


def route(shape, x, w):
    """chances (..., experts) of the router, and the experts chosen with their shares of the
    output, both (..., experts_used)."""
    chances = F.linear(x.float(), w["ffn_gate_inp"].float()).softmax(-1)
    best, chosen = chances.topk(shape.experts_used, -1)
    return chances, chosen, best / best.sum(-1, keepdim=True)


def feed_forward(shape, x, w):
    """Returns the output and the balance loss (0 where there are no experts; Fedus et al. 2022,
    "Switch Transformers", equation 4). All experts are computed as one wide matrix and those that
    were not chosen count zero: exact, and quick for experts this small."""
    hidden = F.silu(F.linear(x, w["ffn_gate"])) * F.linear(x, w["ffn_up"])
    if not shape.experts:
        return F.linear(hidden, w["ffn_down"]), x.new_zeros((), dtype=torch.float32)
    chances, chosen, shares = route(shape, x, w)
    gates = torch.zeros_like(chances).scatter(-1, chosen, shares)
    visits = (gates > 0).float().flatten(0, -2).mean(0) / shape.experts_used
    balance = shape.experts * (visits * chances.flatten(0, -2).mean(0)).sum()
    hidden = hidden.unflatten(-1, (shape.experts, -1)) * gates.unsqueeze(-1).to(hidden.dtype)
    down = w["ffn_down"].view(shape.experts, shape.width, shape.feed_forward)
    return F.linear(hidden.flatten(-2), down.transpose(0, 1).flatten(1)), balance


def layer(shape, x, w, cos, sin):
    """One layer: x (batch, length, width) -> the same, and its balance loss."""
    x = x + attention(shape, rms_norm(x, w["attn_norm"], shape.epsilon), w, cos, sin)
    out, balance = feed_forward(shape, rms_norm(x, w["ffn_norm"], shape.epsilon), w)
    return x + out, balance


def cross_entropy(shape, x, gain, embedding, targets):
    """Summed loss in nats over the targets that are not negative, and their number. x (tokens, width),
    targets (tokens,): one shape, however long the rows, so that it is compiled once."""
    logits = F.linear(rms_norm(x, gain, shape.epsilon), embedding)
    loss = F.cross_entropy(logits.float(), targets, ignore_index=-100,
                           reduction="sum")
    return loss, (targets >= 0).sum()


def losses(shape, weights, tokens, targets, parts):
    """(summed loss, number of targets, mean balance loss). tokens, targets: (batch, length);
    parts: `layer` and `cross_entropy`, compiled or not."""
    run_layer, end = parts
    cos, sin = rotation(shape, tokens.shape[1], tokens.device)
    x = F.embedding(tokens, weights["token_embd"])
    balance = 0.0
    piles = {n: w.unbind(0) for n, w in weights.items() if n not in ("token_embd", "output_norm")}
    for l in range(shape.layers):
        x, more = run_layer(shape, x, {n: w[l] for n, w in piles.items()}, cos, sin)
        balance = balance + more / shape.layers
    return (*end(shape, x.flatten(0, 1), weights["output_norm"], weights["token_embd"], targets.flatten()), balance)


@torch.no_grad()
def routes(shape, weights, tokens):
    """The experts that each layer chose for tokens (batch, length): (layers, batch, length,
    experts_used)."""
    cos, sin = rotation(shape, tokens.shape[1], tokens.device)
    x, found = F.embedding(tokens, weights["token_embd"]), []
    names = [n for n in weights if n not in ("token_embd", "output_norm")]
    for l in range(shape.layers):
        w = {n: weights[n][l] for n in names}
        x = x + attention(shape, rms_norm(x, w["attn_norm"], shape.epsilon), w, cos, sin)
        inside = rms_norm(x, w["ffn_norm"], shape.epsilon)
        found.append(route(shape, inside, w)[1])
        x = x + feed_forward(shape, inside, w)[0]
    return torch.stack(found)
