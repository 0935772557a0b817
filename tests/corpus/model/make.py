"""Writes the small models beside this file, one for each architecture of which the conformance data
has none, and the logits (of encoders: the rows) that its numpy reference gives them. Needs python3-numpy and the shared data:
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
import npref2  # noqa: E402
import gemma3n as gemma3n_reference  # noqa: E402

EMBEDDING, HEADS, KV_HEADS, WIDTH, HIDDEN, VOCABULARY, LAYERS = 16, 4, 2, 8, 12, 24, 2
EXPERTS, USED, NARROW = 6, 2, 8
TOKENS = [(i * 7 + i * i) % VOCABULARY for i in range(20)]


class Model:
    def __init__(self, architecture, layer_norm=False, biases=(), layers=LAYERS, encoder=False,
                 variant="", experts=EXPERTS):
        self.architecture, self.biases, self.layer_norm = architecture, biases, layer_norm
        self.encoder, self.name, self.expert_count = encoder, architecture + variant, experts
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
        self.norm("token_embd_norm" if encoder else "output_norm", EMBEDDING)

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

    def rename(self, old, new):
        self.file.tens = [(new + name[len(old):] if name.startswith(old + ".") else name, *rest)
                          for name, *rest in self.file.tens]

    def attention(self, block, gates=False):
        self.matrix(block + "attn_q", EMBEDDING, HEADS * WIDTH * (2 if gates else 1))
        self.matrix(block + "attn_k", EMBEDDING, KV_HEADS * WIDTH)
        self.matrix(block + "attn_v", EMBEDDING, KV_HEADS * WIDTH)
        self.matrix(block + "attn_output", HEADS * WIDTH, EMBEDDING)

    def gated(self, block, suffix, hidden):
        self.matrix(block + "ffn_gate" + suffix, EMBEDDING, hidden)
        self.matrix(block + "ffn_up" + suffix, EMBEDDING, hidden)
        self.matrix(block + "ffn_down" + suffix, hidden, EMBEDDING)

    def experts(self, block, merged=False):
        count = self.expert_count
        self.matrix(block + "ffn_gate_inp", EMBEDDING, count)
        if merged:
            self.matrix(block + "ffn_gate_up_exps", EMBEDDING, 2 * NARROW, count)
        else:
            self.matrix(block + "ffn_gate_exps", EMBEDDING, NARROW, count)
            self.matrix(block + "ffn_up_exps", EMBEDDING, NARROW, count)
        self.matrix(block + "ffn_down_exps", NARROW, EMBEDDING, count)

    def expert_keys(self):
        self.key("expert_count", "u32", self.expert_count)
        self.key("expert_used_count", "u32", USED)
        self.key("expert_feed_forward_length", "u32", NARROW)

    def write(self, reference=npref):
        path = HERE / (self.name + ".gguf")
        self.file.write(path)
        wanted = {"want": "tokens"} if self.encoder else {}
        rows = reference.forward(str(path), TOKENS, **wanted)
        name = self.name + (".rows.f32" if self.encoder else ".logits.f32")
        rows.astype("<f4").tofile(HERE / name)
        print(self.name, path.stat().st_size, "bytes")


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


def lfm2moe():
    model = Model("lfm2moe", layers=3)
    model.expert_keys()
    model.key("attention.head_count_kv", "arr:i32", [0, KV_HEADS, 0])
    model.key("shortconv.l_cache", "u32", 3)
    model.key("leading_dense_block_count", "u32", 1)
    model.key("expert_gating_func", "u32", 2)
    model.rename("output_norm", "token_embd_norm")
    for l in range(3):
        block = f"blk.{l}."
        model.norm(block + "attn_norm", EMBEDDING)
        if l == 1:
            model.attention(block)
            model.norm(block + "attn_q_norm", WIDTH)
            model.norm(block + "attn_k_norm", WIDTH)
        else:
            model.matrix(block + "shortconv.in_proj", EMBEDDING, 3 * EMBEDDING)
            model.matrix(block + "shortconv.out_proj", EMBEDDING, EMBEDDING)
            model.numbers(block + "shortconv.conv.weight", (3, EMBEDDING), 0.6, 0, "F32")
        model.norm(block + "ffn_norm", EMBEDDING)
        if l == 0:
            model.gated(block, "", HIDDEN)
        else:
            model.experts(block)
            model.numbers(block + "exp_probs_b.bias", (EXPERTS,), 0.3, 0, "F32")
    model.write(npref2)


def qwen35moe():
    state, groups, heads = 8, 2, 4
    model = Model("qwen35moe")
    model.expert_keys()
    model.key("expert_shared_feed_forward_length", "u32", HIDDEN)
    model.key("rope.dimension_sections", "arr:i32", [2, 1, 1, 0])
    for key, value in (("conv_kernel", 4), ("state_size", state), ("group_count", groups),
                       ("time_step_rank", heads), ("inner_size", heads * state)):
        model.key("ssm." + key, "u32", value)
    model.key("full_attention_interval", "u32", 2)
    for l in range(LAYERS):
        block = f"blk.{l}."
        model.norm(block + "attn_norm", EMBEDDING)
        if l == 1:
            model.attention(block, gates=True)
            model.norm(block + "attn_q_norm", WIDTH)
            model.norm(block + "attn_k_norm", WIDTH)
        else:
            channels = (2 * groups + heads) * state
            model.matrix(block + "attn_qkv", EMBEDDING, channels)
            model.matrix(block + "attn_gate", EMBEDDING, heads * state)
            model.numbers(block + "ssm_conv1d.weight", (4, channels), 0.6, 0, "F32")
            model.numbers(block + "ssm_dt.bias", (heads,), 0.5, 0, "F32")
            model.numbers(block + "ssm_a", (heads,), 0.1, -0.5, "F32")
            model.matrix(block + "ssm_beta", EMBEDDING, heads)
            model.matrix(block + "ssm_alpha", EMBEDDING, heads)
            model.norm(block + "ssm_norm", state)
            model.matrix(block + "ssm_out", heads * state, EMBEDDING)
        model.norm(block + "post_attention_norm", EMBEDDING)
        model.experts(block)
        model.gated(block, "_shexp", HIDDEN)
        model.numbers(block + "ffn_gate_inp_shexp.weight", (EMBEDDING,), 0.3, 0, "F32")
    model.write(npref2)


def deepseek2(groups=False):
    """With queries made of a shorter row, and shares from sigmoids: as V3 has them, which also has groups of
    experts and, in some files, a layer for guessing ahead."""
    rank, query_rank, plain, rotated, value = 10, 12, 8, 4, 6
    layers = LAYERS + (1 if groups else 0)
    model = Model("deepseek2", layers=layers, **(
        {"variant": "-groups", "experts": 12} if groups else {}))
    model.expert_keys()
    if groups:
        for key, number in (("expert_group_count", 4), ("expert_group_used_count", 2),
                            ("nextn_predict_layers", 1)):
            model.key(key, "u32", number)
    for key, number in (("head_count_kv", 1), ("key_length", rank + rotated), ("value_length", rank),
                        ("key_length_mla", plain + rotated), ("value_length_mla", value),
                        ("kv_lora_rank", rank), ("q_lora_rank", query_rank)):
        model.key("attention." + key, "u32", number)
    for key, kind, number in (
            ("leading_dense_block_count", "u32", 1), ("expert_shared_count", "u32", 2),
            ("expert_weights_scale", "f32", 2.5), ("expert_weights_norm", "bool", True),
            ("expert_gating_func", "u32", 2), ("rope.dimension_count", "u32", rotated),
            ("rope.scaling.type", "str", "yarn"), ("rope.scaling.factor", "f32", 4.0),
            ("rope.scaling.original_context_length", "u32", 16),
            ("rope.scaling.yarn_log_multiplier", "f32", 0.08)):
        model.key(key, kind, number)
    for l in range(layers):
        block = f"blk.{l}."
        model.norm(block + "attn_norm", EMBEDDING)
        model.matrix(block + "attn_q_a", EMBEDDING, query_rank)
        model.norm(block + "attn_q_a_norm", query_rank)
        model.matrix(block + "attn_q_b", query_rank, HEADS * (plain + rotated))
        model.matrix(block + "attn_kv_a_mqa", EMBEDDING, rank + rotated)
        model.norm(block + "attn_kv_a_norm", rank)
        model.matrix(block + "attn_k_b", plain, rank, HEADS)
        model.matrix(block + "attn_v_b", rank, value, HEADS)
        model.matrix(block + "attn_output", HEADS * value, EMBEDDING)
        model.norm(block + "ffn_norm", EMBEDDING)
        if l == 0:
            model.gated(block, "", HIDDEN)
        else:
            model.experts(block)
            model.numbers(block + "exp_probs_b.bias", (model.expert_count,), 0.3, 0, "F32")
            model.gated(block, "_shexp", 2 * NARROW)
        if l == LAYERS:
            model.matrix(block + "nextn.eh_proj", 2 * EMBEDDING, EMBEDDING)
            for name in ("enorm", "hnorm", "shared_head_norm"):
                model.norm(block + "nextn." + name, EMBEDDING)
    model.write(npref2)


def gemma4(experts=False):
    """Without values of its own in the layer that sees everything. With experts, as the one model that has
    them: no inputs of the layers, and keys in all of them."""
    inputs, wide, shared = (0, 16, 0) if experts else (4, 16, 1)
    model = Model("gemma4", layers=3, variant="-experts" if experts else "")
    if experts:
        model.expert_keys()
    for key, value in (("key_length", wide), ("value_length", wide), ("key_length_swa", WIDTH),
                       ("value_length_swa", WIDTH), ("sliding_window", 5),
                       ("shared_kv_layers", shared)):
        model.key("attention." + key, "u32", value)
    model.key("attention.sliding_window_pattern", "arr:bool", [True, False, True])
    model.key("rope.dimension_count", "u32", wide)
    model.key("rope.dimension_count_swa", "u32", WIDTH)
    model.key("rope.freq_base_swa", "f32", 100.0)
    model.key("embedding_length_per_layer_input", "u32", inputs)
    model.key("final_logit_softcapping", "f32", 30.0)
    model.numbers("rope_freqs.weight", (wide // 2,), 0.2, 2, "F32")
    if inputs:
        model.matrix("per_layer_token_embd", 3 * inputs, VOCABULARY)
        model.matrix("per_layer_model_proj", EMBEDDING, 3 * inputs)
        model.norm("per_layer_proj_norm", inputs)
    for l in range(3):
        block, width = f"blk.{l}.", wide if l == 1 else WIDTH
        model.norm(block + "attn_norm", EMBEDDING)
        model.matrix(block + "attn_q", EMBEDDING, HEADS * width)
        model.norm(block + "attn_q_norm", width)
        model.matrix(block + "attn_output", HEADS * width, EMBEDDING)
        if l < 3 - shared:
            model.matrix(block + "attn_k", EMBEDDING, KV_HEADS * width)
            model.norm(block + "attn_k_norm", width)
        if l < 3 - shared and l != 1:
            model.matrix(block + "attn_v", EMBEDDING, KV_HEADS * width)
        model.norm(block + "post_attention_norm", EMBEDDING)
        model.norm(block + "ffn_norm", EMBEDDING)
        model.gated(block, "", HIDDEN)
        model.norm(block + "post_ffw_norm", EMBEDDING)
        if experts:
            model.experts(block, merged=True)
            for name in ("pre_ffw_norm_2", "post_ffw_norm_1", "post_ffw_norm_2"):
                model.norm(block + name, EMBEDDING)
            model.numbers(block + "ffn_gate_inp.scale", (EMBEDDING,), 1, 3, "F32")
            model.numbers(block + "ffn_down_exps.scale", (EXPERTS,), 0.5, 1, "F32")
        if inputs:
            model.matrix(block + "inp_gate", EMBEDDING, inputs)
            model.matrix(block + "proj", inputs, EMBEDDING)
            model.norm(block + "post_norm", EMBEDDING)
        model.numbers(block + "layer_output_scale.weight", (1,), 0.1, 0.8, "F32")
    model.write(npref2)


def gemma3n():
    """Twelve layers: ten of them cut their gates, and two read the keys of an earlier one."""
    inputs, streams, rank, layers = 4, 4, 64, 12
    model = Model("gemma3n", layers=layers)
    model.key("attention.sliding_window", "u32", 5)
    model.key("attention.shared_kv_layers", "u32", 2)
    model.key("rope.freq_base_swa", "f32", 100.0)
    model.key("embedding_length_per_layer_input", "u32", inputs)
    model.matrix("per_layer_token_embd", layers * inputs, VOCABULARY)
    model.matrix("per_layer_model_proj", EMBEDDING, layers * inputs)
    model.norm("per_layer_proj_norm", inputs)
    model.matrix("altup_proj", EMBEDDING, EMBEDDING, streams - 1)
    model.matrix("altup_unembd_proj", EMBEDDING, EMBEDDING, streams - 1)
    for l in range(layers):
        block = f"blk.{l}."
        for name in ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm", "post_norm",
                     "altup_router_norm", "laurel_post_norm", "altup_correct_scale"):
            model.norm(block + name, EMBEDDING)
        model.attention(block)
        model.norm(block + "attn_q_norm", WIDTH)
        model.norm(block + "attn_k_norm", WIDTH)
        model.gated(block, "", HIDDEN)
        model.matrix(block + "inp_gate", EMBEDDING, inputs)
        model.matrix(block + "proj", inputs, EMBEDDING)
        model.matrix(block + "laurel_l", EMBEDDING, rank)
        model.matrix(block + "laurel_r", rank, EMBEDDING)
        for name, rows, deviation in (("altup_correct_coef", streams, 0.3),
                                      ("altup_predict_coef", streams * streams, 0.2)):
            model.numbers(block + name + ".weight", (streams, rows), deviation, 0, "F32")
        model.numbers(block + "altup_router.weight", (EMBEDDING, streams), 4, 0, "F32")
    model.write(gemma3n_reference)


def nomic_bert_moe():
    model = Model("nomic-bert-moe", layer_norm=True, layers=4, encoder=True,
                  biases=("attn_qkv", "attn_output", "ffn_up", "ffn_down"))
    model.key("expert_count", "u32", EXPERTS)
    model.key("expert_used_count", "u32", USED)
    model.key("moe_every_n_layers", "u32", 2)
    model.key("attention.causal", "bool", False)
    model.key("pooling_type", "u32", 1)
    model.matrix("token_types", EMBEDDING, 1)
    for l in range(4):
        block = f"blk.{l}."
        model.matrix(block + "attn_qkv", EMBEDDING, (HEADS + 2 * KV_HEADS) * WIDTH)
        model.matrix(block + "attn_output", HEADS * WIDTH, EMBEDDING)
        model.norm(block + "attn_output_norm", EMBEDDING)
        model.norm(block + "layer_output_norm", EMBEDDING)
        if l % 2 == 0:
            model.matrix(block + "ffn_up", EMBEDDING, HIDDEN)
            model.matrix(block + "ffn_down", HIDDEN, EMBEDDING)
        else:
            model.matrix(block + "ffn_gate_inp", EMBEDDING, EXPERTS)
            model.matrix(block + "ffn_up_exps", EMBEDDING, HIDDEN, EXPERTS)
            model.matrix(block + "ffn_down_exps", HIDDEN, EMBEDDING, EXPERTS)
    model.write()


for make in (olmoe, qwen2moe, granitemoe, starcoder2, exaone4, lfm2moe, qwen35moe, deepseek2, gemma4,
             gemma3n, nomic_bert_moe):
    make()
deepseek2(groups=True)
gemma4(experts=True)
