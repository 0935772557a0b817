"""Writes the small models beside this file, one for each architecture of which the conformance data
has none, and the logits that its numpy reference gives them. Needs python3-numpy and the shared data:
ISSUN_SHARED=../shared python3 tests/corpus/model/make.py
"""
import os
import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, os.path.join(os.environ["ISSUN_SHARED"], "conformance", "reference"))
from ggufw import Writer  # noqa: E402
import npref  # noqa: E402

EMBEDDING, HEADS, KV_HEADS, WIDTH, HIDDEN, VOCABULARY, LAYERS = 16, 4, 2, 8, 12, 24, 2
EXPERTS, USED, NARROW = 6, 2, 8
TOKENS = [(i * 7 + i * i) % VOCABULARY for i in range(20)]


class Model:
    def __init__(self, architecture, layer_norm=False, biases=(), layers=LAYERS):
        self.architecture, self.biases, self.layer_norm = architecture, biases, layer_norm
        self.random = np.random.default_rng(len(architecture))
        self.file = Writer()
        self.file.kv("general.architecture", "str", architecture)
        norm = "layer_norm_epsilon" if layer_norm else "layer_norm_rms_epsilon"
        for key, kind, value in (
                ("block_count", "u32", layers), ("context_length", "u32", 64),
                ("embedding_length", "u32", EMBEDDING), ("feed_forward_length", "u32", HIDDEN),
                ("attention.head_count", "u32", HEADS), ("attention.head_count_kv", "u32", KV_HEADS),
                ("attention.key_length", "u32", WIDTH), ("attention.value_length", "u32", WIDTH),
                ("rope.dimension_count", "u32", WIDTH), ("rope.freq_base", "f32", 1000.0),
                ("vocab_size", "u32", VOCABULARY), ("attention." + norm, "f32", 1e-5)):
            self.key(key, kind, value)
        self.matrix("token_embd", EMBEDDING, VOCABULARY)
        self.norm("output_norm", EMBEDDING)

    def key(self, key, kind, value):
        self.file.kv(f"{self.architecture}.{key}", kind, value)

    def numbers(self, name, sizes, deviation, middle, kind):
        values = self.random.normal(middle, deviation, sizes[::-1])
        self.file.tensor(name, sizes, values, kind)

    def matrix(self, name, columns, rows, *count):
        self.numbers(name + ".weight", (columns, rows, *count), 1.5 / columns ** 0.5, 0, "F16")
        if name.split(".")[-1] in self.biases:
            self.numbers(name + ".bias", (rows, *count), 0.2, 0, "F32")

    def norm(self, name, n):
        self.numbers(name + ".weight", (n,), 0.3, 1, "F32")
        if self.layer_norm:
            self.numbers(name + ".bias", (n,), 0.2, 0, "F32")

    def attention(self, block):
        self.matrix(block + "attn_q", EMBEDDING, HEADS * WIDTH)
        self.matrix(block + "attn_k", EMBEDDING, KV_HEADS * WIDTH)
        self.matrix(block + "attn_v", EMBEDDING, KV_HEADS * WIDTH)
        self.matrix(block + "attn_output", HEADS * WIDTH, EMBEDDING)

    def gated(self, block, suffix, hidden):
        self.matrix(block + "ffn_gate" + suffix, EMBEDDING, hidden)
        self.matrix(block + "ffn_up" + suffix, EMBEDDING, hidden)
        self.matrix(block + "ffn_down" + suffix, hidden, EMBEDDING)

    def experts(self, block):
        self.matrix(block + "ffn_gate_inp", EMBEDDING, EXPERTS)
        self.matrix(block + "ffn_gate_exps", EMBEDDING, NARROW, EXPERTS)
        self.matrix(block + "ffn_up_exps", EMBEDDING, NARROW, EXPERTS)
        self.matrix(block + "ffn_down_exps", NARROW, EMBEDDING, EXPERTS)

    def expert_keys(self):
        self.key("expert_count", "u32", EXPERTS)
        self.key("expert_used_count", "u32", USED)
        self.key("expert_feed_forward_length", "u32", NARROW)

    def write(self):
        path = HERE / (self.architecture + ".gguf")
        self.file.write(path)
        logits = npref.forward(str(path), TOKENS)
        logits.astype("<f4").tofile(HERE / (self.architecture + ".logits.f32"))
        print(self.architecture, path.stat().st_size, "bytes")


def olmoe():
    model = Model("olmoe")
    model.expert_keys()
    model.matrix("output", EMBEDDING, VOCABULARY)
    for l in range(LAYERS):
        block = f"blk.{l}."
        model.norm(block + "attn_norm", EMBEDDING)
        model.attention(block)
        model.norm(block + "attn_q_norm", HEADS * WIDTH)
        model.norm(block + "attn_k_norm", KV_HEADS * WIDTH)
        model.norm(block + "ffn_norm", EMBEDDING)
        model.experts(block)
    model.write()


def qwen2moe():
    model = Model("qwen2moe", biases=("attn_q", "attn_k", "attn_v"))
    model.expert_keys()
    model.key("expert_shared_feed_forward_length", "u32", HIDDEN)
    model.matrix("output", EMBEDDING, VOCABULARY)
    for l in range(LAYERS):
        block = f"blk.{l}."
        model.norm(block + "attn_norm", EMBEDDING)
        model.attention(block)
        model.norm(block + "ffn_norm", EMBEDDING)
        model.experts(block)
        model.gated(block, "_shexp", HIDDEN)
        model.numbers(block + "ffn_gate_inp_shexp.weight", (EMBEDDING,), 0.3, 0, "F32")
    model.write()


def granitemoe():
    model = Model("granitemoe")
    model.expert_keys()
    model.key("expert_shared_feed_forward_length", "u32", HIDDEN)
    for key, value in (("attention.scale", 0.2), ("embedding_scale", 3.0), ("residual_scale", 0.8),
                       ("logit_scale", 2.5)):
        model.key(key, "f32", value)
    for l in range(LAYERS):
        block = f"blk.{l}."
        model.norm(block + "attn_norm", EMBEDDING)
        model.attention(block)
        model.norm(block + "ffn_norm", EMBEDDING)
        model.experts(block)
        model.gated(block, "_shexp", HIDDEN)
    model.write()


def starcoder2():
    model = Model("starcoder2", layer_norm=True,
                  biases=("attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down"))
    for l in range(LAYERS):
        block = f"blk.{l}."
        model.norm(block + "attn_norm", EMBEDDING)
        model.attention(block)
        model.norm(block + "ffn_norm", EMBEDDING)
        model.matrix(block + "ffn_up", EMBEDDING, HIDDEN)
        model.matrix(block + "ffn_down", HIDDEN, EMBEDDING)
    model.write()


def exaone4():
    model = Model("exaone4")
    for l in range(LAYERS):
        block = f"blk.{l}."
        model.attention(block)
        model.norm(block + "attn_q_norm", WIDTH)
        model.norm(block + "attn_k_norm", WIDTH)
        model.norm(block + "post_attention_norm", EMBEDDING)
        model.gated(block, "", HIDDEN)
        model.norm(block + "post_ffw_norm", EMBEDDING)
    model.write()


for make in (olmoe, qwen2moe, granitemoe, starcoder2, exaone4):
    make()
