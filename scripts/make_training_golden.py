#!/usr/bin/env python3
"""Writes tests/data/training: what one step of training gives, by PyTorch's automatic derivatives in
float64, computed apart from src/train. Needs python3-torch. The same files bit for bit every time.

usage: make_training_golden.py [folder]

A case is a folder with step.json (the batches, the hyper-parameters, the losses and gradient norms of one
or more steps), gradients.gguf (of the first step, before clipping), expected.gguf (the trained tensors
after it) and, where there are more steps, later.gguf (after the last). The network begins as the
initial.gguf that step.json names, some with the adapter.gguf beside it.
"""
import json
import pathlib
import random
import struct
import sys

import torch
import torch.nn.functional as F

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "program"))
sys.dont_write_bytecode = True
from gguf_file import key, write_gguf  # noqa: E402
from training_network import NO_TARGET, Batch, Network, Shape, initial, numbers  # noqa: E402

torch.set_num_threads(1)  # the order of sums
torch.set_default_dtype(torch.float64)

def next_loss(network, batch, options, teacher):
    """(loss, what else to write down)."""
    logits = network.logits(batch)
    targets = torch.tensor([t for t in batch.targets if t != NO_TARGET])
    entropy = F.cross_entropy(logits, targets)
    facts = {"rows": len(targets), "hits": int((logits.argmax(-1) == targets).sum()),
             "cross_entropy": entropy}
    if teacher:
        heat = options["temperature"]
        wanted = F.log_softmax(teacher.logits(batch) / heat, -1)
        facts["divergence"] = F.kl_div(F.log_softmax(logits / heat, -1), wanted, log_target=True,
                                       reduction="batchmean")
        share = options["share"]
        return (1 - share) * entropy + share * heat ** 2 * facts["divergence"], facts
    if network.loads:
        facts |= {"balance": network.balance, "loads": [part.tolist() for part in network.loads]}
    return entropy + options.get("balance", 0) * network.balance, facts


def contrastive_loss(network, batch, options, _):
    rows = network.hidden(batch).flatten(0, 1)
    pooled = {"mean": lambda a, n: rows[a:a + n].mean(0), "last": lambda a, n: rows[a + n - 1],
              "first": lambda a, n: rows[a]}[options["pooling"]]
    vectors = F.normalize(torch.stack([pooled(*text) for text in batch.texts()]), dim=-1)
    scores = vectors[0::2] @ vectors[1::2].T / options["temperature"]
    right = torch.arange(len(scores))
    loss = F.cross_entropy(scores, right)
    if options["both_ways"]:
        loss = (loss + F.cross_entropy(scores.T, right)) / 2
    return loss, {"pairs": len(scores), "hits": int((scores.argmax(-1) == right).sum())}


def packed(tensors):
    return [(name, list(reversed(t.shape)), "F32", struct.pack(f"<{t.numel()}f", *t.flatten().tolist()))
            for name, t in tensors.items()]


def write(path, keys, tensors):
    write_gguf(path, len(keys), b"".join(key(*fact) for fact in keys.items()), packed(tensors))


def rounded(value):
    """Numbers as texts that no other order of sums changes."""
    if isinstance(value, list):
        return [rounded(item) for item in value]
    value = value.item() if isinstance(value, torch.Tensor) else value
    return float(f"{value:.12g}") if isinstance(value, float) else value


def train(folder, network, teacher, names, batches, options, facts):
    """A step for each batch, of the tensors with these names."""
    trained = {name: network.tensors[name].requires_grad_() for name in names}
    groups = [{"params": [t for t in trained.values() if (t.dim() > 1) == matrix],
               "weight_decay": options["weight_decay"] if matrix else 0.0} for matrix in (True, False)]
    optimiser = torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=options["learning_rate"],
        betas=(options["beta1"], options["beta2"]), eps=options["epsilon"])
    loss, steps = contrastive_loss if facts["loss"] == "contrastive" else next_loss, []
    for batch in batches:
        for t in trained.values():
            t.grad = torch.zeros_like(t)
        value, more = loss(network, batch, options, teacher)
        value.backward()
        norm = torch.sqrt(sum(t.grad.square().sum() for t in trained.values()))
        if not steps:
            write(folder / "gradients.gguf", {}, {name: t.grad for name, t in trained.items()})
        if options["clip"] != 0 and norm > options["clip"]:
            for t in trained.values():
                t.grad *= options["clip"] / norm
        optimiser.step()
        steps.append({"batch": batch.json(), "loss": value, **more, "gradient_norm": norm})
        write(folder / ("expected.gguf" if len(steps) == 1 else "later.gguf"), {}, trained)
    head = json.dumps({**facts, "options": options}, indent=1)[:-2]
    lines = [json.dumps({k: rounded(v) for k, v in step.items()}) for step in steps]
    (folder / "step.json").write_text(head + ',\n "steps": [\n  ' + ",\n  ".join(lines) + "\n ]\n}\n")


PACKED = [(5, 7), (12,), (3, 6, 3)]  # documents of each row; the last one is padding
PAIRS = [(4, 5, 3), (6, 2, 4), (3, 3, 6)]
STEP = {"learning_rate": 0.01, "beta1": 0.9, "beta2": 0.95, "epsilon": 1e-8, "weight_decay": 0.1, "clip": 1.0}
# Adam's first step is nearly the sign of each gradient: a large epsilon lets their sizes count.
SOFT = {**STEP, "epsilon": 1e-3}
SHAPES = {
    "llama": Shape(tied=False),
    "llama-tied": Shape(kv_heads=1, rope_base=500000.0),
    "qwen3": Shape(architecture="qwen3", heads=3, kv_heads=1, head_width=8, epsilon=1e-6, rope_base=1e6),
    "gpt2": Shape(architecture="gpt2", kv_heads=4),
    "mixture": Shape(feed_forward=8, experts=5, used=2),
    "bidirectional": Shape(causal=False),
}


def main():
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests" / "data" / "training"
    models = {}
    for seed, (name, shape) in enumerate(SHAPES.items()):
        (root / name).mkdir(parents=True, exist_ok=True)
        models[name] = initial(shape, seed + 1)
        write(root / name / "initial.gguf", shape.keys(), models[name])

    def case(name, model, loss, options, batches=1, rows=PACKED, padding=((2, 2),), masked=0.1, **facts):
        (root / name).mkdir(exist_ok=True)
        shape, generator = SHAPES[model], random.Random(name)
        tensors = {n: t.clone() for n, t in models[model].items()}
        scale, names = 0.0, list(tensors)
        if "rank" in options:
            scale = options["alpha"] / options["rank"]
            names = []
            for matrix in [n for n, t in tensors.items() if t.dim() > 1 and "embd" not in n]:
                rows_out, columns = tensors[matrix].shape
                for part, size in (("a", (options["rank"], columns)), ("b", (rows_out, options["rank"]))):
                    names.append(f"{matrix}.lora_{part}")
                    tensors[names[-1]] = numbers(generator, size, 0.3)
            write(root / name / "adapter.gguf",
                  {"general.type": "adapter", "general.architecture": shape.architecture,
                   "adapter.type": "lora", "adapter.lora.alpha": float(options["alpha"])},
                  {n: tensors[n] for n in names})
        teacher = facts.get("teacher")
        train(root / name, Network(shape, tensors, scale),
              Network(SHAPES[teacher], models[teacher]) if teacher else None, names,
              [Batch(generator, shape, rows, padding, masked) for _ in range(batches)], options,
              {"model": model, "loss": loss, **facts})

    contrast = {"temperature": 0.1, "pooling": "mean", "both_ways": False}
    case("llama", "llama", "next", STEP, batches=3)
    case("llama-tied", "llama-tied", "next", {**SOFT, "clip": 0.25})
    case("qwen3", "qwen3", "next", {**SOFT, "clip": 0.0})
    # Biases of keys change no share: their gradient is 0 but for rounding, which epsilon has to drown.
    case("gpt2", "gpt2", "next", SOFT)
    case("mixture", "mixture", "next", {**SOFT, "balance": 0.5}, batches=3)
    case("bidirectional", "bidirectional", "contrastive", {**SOFT, **contrast}, rows=PAIRS, masked=0)
    case("last-token", "qwen3", "contrastive", {**SOFT, **contrast, "pooling": "last", "both_ways": True},
         rows=PAIRS, padding=((1, 1), (2, 1), (2, 2)), masked=0)
    case("adapters", "llama", "next", {**SOFT, "rank": 3, "alpha": 5.0}, batches=3)
    case("distillation", "llama-tied", "distil", {**SOFT, "share": 0.7, "temperature": 2.0}, teacher="llama")


if __name__ == "__main__":
    main()
