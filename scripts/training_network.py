"""The networks of make_training_golden.py in PyTorch, written from the papers and the GGUF layout alone,
for clarity and not for speed."""
import dataclasses
import math
import random

import torch
import torch.nn.functional as F

NO_TARGET = -1


@dataclasses.dataclass(frozen=True)
class Shape:
    architecture: str = "llama"
    embedding: int = 16
    layers: int = 2
    heads: int = 4
    kv_heads: int = 2
    head_width: int = 4
    feed_forward: int = 20
    vocabulary: int = 40
    context: int = 32
    experts: int = 0
    used: int = 0
    tied: bool = True
    causal: bool = True
    epsilon: float = 1e-5
    rope_base: float = 10000.0

    @property
    def gpt2(self):
        return self.architecture == "gpt2"

    def keys(self):
        name = self.architecture
        norm = "layer_norm_epsilon" if self.gpt2 else "layer_norm_rms_epsilon"
        keys = {"general.architecture": name, f"{name}.context_length": self.context,
                f"{name}.embedding_length": self.embedding, f"{name}.block_count": self.layers,
                f"{name}.feed_forward_length": self.feed_forward,
                f"{name}.attention.head_count": self.heads,
                f"{name}.attention.head_count_kv": self.kv_heads,
                f"{name}.attention.key_length": self.head_width,
                f"{name}.attention.value_length": self.head_width,
                f"{name}.attention.{norm}": self.epsilon, f"{name}.rope.freq_base": self.rope_base}
        if self.experts:
            keys |= {f"{name}.expert_count": self.experts, f"{name}.expert_used_count": self.used}
        if not self.causal:
            keys |= {f"{name}.attention.causal": False, f"{name}.pooling_type": 1}
        letters = [chr(ord("A") + i) for i in range(self.vocabulary - 3)]
        return keys | {"tokenizer.ggml.model": "llama",
                       "tokenizer.ggml.tokens": ["<unk>", "<s>", "</s>", *letters],
                       "tokenizer.ggml.scores": [0.0] * self.vocabulary,
                       "tokenizer.ggml.token_type": [2, 3, 3] + [1] * (self.vocabulary - 3),
                       "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2,
                       "tokenizer.ggml.unknown_token_id": 0}

    def sizes(self):
        """Of each tensor, outermost first; those of gpt2's biases follow from the matrices."""
        e, f, query = self.embedding, self.feed_forward, self.heads * self.head_width
        key_rows = self.kv_heads * self.head_width
        sizes = {"token_embd.weight": (self.vocabulary, e)}
        if self.gpt2:
            sizes["position_embd.weight"] = (self.context, e)
        for b in (f"blk.{layer}." for layer in range(self.layers)):
            sizes |= {b + "attn_norm.weight": (e,), b + "ffn_norm.weight": (e,)}
            if self.gpt2:
                sizes[b + "attn_qkv.weight"] = (query + 2 * key_rows, e)
            else:
                sizes |= {b + "attn_q.weight": (query, e), b + "attn_k.weight": (key_rows, e),
                          b + "attn_v.weight": (key_rows, e)}
            sizes[b + "attn_output.weight"] = (e, query)
            if self.architecture == "qwen3":
                sizes |= {b + "attn_q_norm.weight": (self.head_width,),
                          b + "attn_k_norm.weight": (self.head_width,)}
            experts, suffix = ((self.experts,), "_exps") if self.experts else ((), "")
            if self.experts:
                sizes[b + "ffn_gate_inp.weight"] = (self.experts, e)
            if not self.gpt2:
                sizes[f"{b}ffn_gate{suffix}.weight"] = (*experts, f, e)
            sizes |= {f"{b}ffn_up{suffix}.weight": (*experts, f, e),
                      f"{b}ffn_down{suffix}.weight": (*experts, e, f)}
        sizes["output_norm.weight"] = (e,)
        if not self.tied:
            sizes["output.weight"] = (self.vocabulary, e)
        biased = [n for n in sizes if self.gpt2 and "embd" not in n]
        return sizes | {n.replace(".weight", ".bias"): sizes[n][:1] for n in biased}


def numbers(generator, size, deviation, middle=0.0):
    """Normal numbers that F32 holds exactly."""
    values = [generator.gauss(middle, deviation) for _ in range(math.prod(size))]
    return torch.tensor(values, dtype=torch.float32).double().reshape(size)


def initial(shape, seed):
    generator, tensors = random.Random(seed), {}
    for name, size in shape.sizes().items():
        if name.endswith("norm.weight"):
            tensors[name] = numbers(generator, size, 0.2, 1)
        elif len(size) == 1:
            tensors[name] = numbers(generator, size, 0.2)
        else:
            tensors[name] = numbers(generator, size, 0.5 if "embd" in name else 1.2 / math.sqrt(size[-1]))
    return tensors


class Batch:
    """Rows of documents, given as lengths; the last of a row may be padding, without targets."""

    def __init__(self, generator, shape, rows, padding=(), masked=0.1):
        self.sequences, self.length = len(rows), sum(rows[0])
        assert all(sum(row) == self.length for row in rows)
        self.tokens, self.targets, self.positions, self.begins = [], [], [], []
        for s, row in enumerate(rows):
            begin = 0
            for d, length in enumerate(row):
                tokens = [generator.randrange(shape.vocabulary) for _ in range(length)]
                self.tokens += tokens
                lost = [(s, d) in padding or generator.random() < masked for _ in range(length - 1)]
                self.targets += [NO_TARGET if no else t for no, t in zip(lost, tokens[1:])] + [NO_TARGET]
                self.positions += range(length)
                self.begins += [begin] * length
                begin += length

    def rows(self, values):
        return torch.tensor(values).reshape(self.sequences, self.length)

    def texts(self):
        """(first row, length) of each document that has a target."""
        starts = [t for t, p in enumerate(self.positions) if p == 0] + [len(self.tokens)]
        return [(a, b - a) for a, b in zip(starts, starts[1:])
                if any(t != NO_TARGET for t in self.targets[a:b])]

    def json(self):
        return {"sequences": self.sequences, "length": self.length, "tokens": self.tokens,
                "targets": self.targets, "positions": self.positions, "visible_begin": self.begins}


class Network:
    """`tensors` by their names in the file; adapters among them as NAME.lora_a and NAME.lora_b."""

    def __init__(self, shape, tensors, adapter_scale=0.0):
        self.shape, self.tensors, self.adapter_scale = shape, tensors, adapter_scale

    def linear(self, name, x):
        out = x @ self.tensors[name + ".weight"].T
        if name + ".bias" in self.tensors:
            out = out + self.tensors[name + ".bias"]
        if name + ".weight.lora_a" in self.tensors:
            a, b = (self.tensors[f"{name}.weight.lora_{part}"] for part in "ab")
            out = out + self.adapter_scale * (x @ a.T @ b.T)
        return out

    def norm(self, name, x):
        gains = self.tensors[name + ".weight"]
        if self.shape.gpt2:
            return F.layer_norm(x, x.shape[-1:], gains, self.tensors[name + ".bias"], self.shape.epsilon)
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.shape.epsilon) * gains

    def rotate(self, x, positions):
        """x (sequences, length, heads, width): as complex numbers, of neighbours or of halves."""
        if self.shape.gpt2:
            return x
        pairs = x.shape[-1] // 2
        angles = positions[..., None] * self.shape.rope_base ** (-torch.arange(pairs) / pairs)
        turn = torch.polar(torch.ones_like(angles), angles)[:, :, None, :]
        if self.shape.architecture == "llama":
            both = torch.view_as_complex(x.reshape(*x.shape[:-1], pairs, 2).contiguous())
            return torch.view_as_real(both * turn).reshape(x.shape)
        both = torch.complex(x[..., :pairs], x[..., pairs:]) * turn
        return torch.cat([both.real, both.imag], -1)

    def attention(self, b, x, batch):
        s, (n, length, _) = self.shape, x.shape
        if s.gpt2:
            widths = [h * s.head_width for h in (s.heads, s.kv_heads, s.kv_heads)]
            q, k, v = self.linear(b + "attn_qkv", x).split(widths, -1)
        else:
            q, k, v = (self.linear(b + "attn_" + part, x) for part in "qkv")
        q, k, v = (part.reshape(n, length, -1, s.head_width) for part in (q, k, v))
        if s.architecture == "qwen3":
            q, k = self.norm(b + "attn_q_norm", q), self.norm(b + "attn_k_norm", k)
        positions, begins = batch.rows(batch.positions), batch.rows(batch.begins)
        q, k = self.rotate(q, positions), self.rotate(k, positions)
        k, v = (part.repeat_interleave(s.heads // s.kv_heads, 2) for part in (k, v))
        scores = torch.einsum("nqhw,nkhw->nhqk", q, k) / math.sqrt(s.head_width)
        seen = begins[:, :, None] == begins[:, None, :]
        if s.causal:
            seen = seen & torch.ones(length, length).tril().bool()
        shares = scores.masked_fill(~seen[:, None], -math.inf).softmax(-1)
        mixed = torch.einsum("nhqk,nkhw->nqhw", shares, v)
        return self.linear(b + "attn_output", mixed.reshape(n, length, -1))

    def feed(self, b, x):
        if self.shape.experts:
            return self.mixture(b, x)
        up = self.linear(b + "ffn_up", x)
        if self.shape.gpt2:
            return self.linear(b + "ffn_down", F.gelu(up, approximate="tanh"))
        return self.linear(b + "ffn_down", F.silu(self.linear(b + "ffn_gate", x)) * up)

    def mixture(self, b, x):
        """Every expert for every row, those that were not chosen with a share of 0."""
        experts, used = self.shape.experts, self.shape.used
        probabilities = self.linear(b + "ffn_gate_inp", x).softmax(-1)
        best, chosen = probabilities.topk(used, -1)
        ranked = probabilities.sort(-1, descending=True).values
        assert (ranked[..., used - 1] - ranked[..., used]).min() > 1e-4, "a choice too close for F32"
        shares = torch.zeros_like(probabilities).scatter(-1, chosen, best / best.sum(-1, keepdim=True))
        gate, up, down = (self.tensors[f"{b}ffn_{part}_exps.weight"] for part in ("gate", "up", "down"))
        inner = (F.silu(torch.einsum("nle,xfe->nlxf", x, gate)) * torch.einsum("nle,xfe->nlxf", x, up))
        loads = torch.bincount(chosen.flatten(), minlength=experts) / chosen.numel()
        self.loads.append(loads)
        self.balance = self.balance + experts * (loads * probabilities.flatten(0, 1).mean(0)).sum()
        return torch.einsum("nlx,nlxf,xef->nle", shares, inner, down)

    def hidden(self, batch):
        self.balance, self.loads = torch.zeros(()), []
        x = self.tensors["token_embd.weight"][batch.rows(batch.tokens)]
        if self.shape.gpt2:
            x = x + self.tensors["position_embd.weight"][batch.rows(batch.positions)]
        for b in (f"blk.{layer}." for layer in range(self.shape.layers)):
            x = x + self.attention(b, self.norm(b + "attn_norm", x), batch)
            x = x + self.feed(b, self.norm(b + "ffn_norm", x))
        return self.norm("output_norm", x)

    def logits(self, batch):
        """Of the rows that have a target."""
        live = self.hidden(batch)[batch.rows(batch.targets) != NO_TARGET]
        return self.linear("token_embd" if self.shape.tied else "output", live)
