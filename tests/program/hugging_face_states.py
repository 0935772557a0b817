"""Families with layers that carry a state, as their directories have them."""
import math
import struct

from hugging_face import DECODER, Kind, key_of, spread

QWEN35 = [("blk.#.post_attention_norm", "model.layers.#.post_attention_layernorm")]


def state_space(prefix):
    return [("blk.#.ssm_in", f"{prefix}.in_proj"), ("blk.#.ssm_conv1d", f"{prefix}.conv1d"),
            ("blk.#.ssm_norm", f"{prefix}.norm"), ("blk.#.ssm_out", f"{prefix}.out_proj")]


MAMBA2 = state_space("backbone.layers.#.mixer") + [
    ("token_embd", "backbone.embeddings"), ("output_norm", "backbone.norm_f"),
    ("blk.#.attn_norm", "backbone.layers.#.norm"),
]
GRANITE_HYBRID = state_space("model.layers.#.mamba") + [
    ("blk.#.ffn_gate_inp", "model.layers.#.block_sparse_moe.router.layer"),
    ("blk.#.ffn_down_exps", "model.layers.#.block_sparse_moe.output_linear"),
    ("blk.#.ffn_down_shexp", "model.layers.#.shared_mlp.output_linear"),
]
FALCON_H1 = state_space("model.layers.#.mamba") + [
    ("output_norm", "model.final_layernorm"),
    ("blk.#.ffn_gate", "model.layers.#.feed_forward.gate_proj"),
    ("blk.#.ffn_up", "model.layers.#.feed_forward.up_proj"),
    ("blk.#.ffn_down", "model.layers.#.feed_forward.down_proj"),
]


def matrices_in_turn(first, second, count):
    each = len(first) // count
    return b"".join(
        first[i:i + each] + second[i:i + each] for i in range(0, len(first), each))


def state_tensor(tensor, pattern, prefix):
    """Tensors of a state space; None: another."""
    part = pattern.rpartition(".")[2]
    if part == "ssm_conv1d" and tensor.name.endswith(".weight"):
        return spread(tensor, f"{prefix}.conv1d")
    if part == "ssm_dt":
        return [(f"{prefix}.dt_bias", tensor.type, tensor.shape, tensor.data)]
    if part == "ssm_d":
        return [(f"{prefix}.D", tensor.type, tensor.shape[:1], tensor.data)]
    if part == "ssm_norm" and len(tensor.shape) == 2:
        return [(f"{prefix}.norm.weight", tensor.type, [tensor.shape[0] * tensor.shape[1]],
                 tensor.data)]
    if part == "ssm_a":
        values = struct.unpack(f"<{tensor.shape[0]}f", tensor.data)
        return [(f"{prefix}.A_log", "F32", tensor.shape[:1],
                 struct.pack(f"<{len(values)}f", *(math.log(-value) for value in values)))]
    return None


def mamba2_tensor(model, tensor, pattern, layer):
    return state_tensor(tensor, pattern, f"backbone.layers.{layer}.mixer")


def state_facts(model, config):
    config.update(mamba_d_conv=key_of(model, "ssm.conv_kernel"),
                  mamba_d_state=key_of(model, "ssm.state_size"),
                  mamba_n_groups=key_of(model, "ssm.group_count"),
                  mamba_n_heads=key_of(model, "ssm.time_step_rank"))


def mamba2_facts(model, config):
    for name in ("num_attention_heads", "intermediate_size", "max_position_embeddings"):
        config.pop(name)
    heads = key_of(model, "ssm.time_step_rank")
    config.update(layer_norm_epsilon=config.pop("rms_norm_eps"), expand=2, num_heads=heads,
                  head_dim=key_of(model, "ssm.inner_size") // heads,
                  conv_kernel=key_of(model, "ssm.conv_kernel"),
                  state_size=key_of(model, "ssm.state_size"),
                  n_groups=key_of(model, "ssm.group_count"))


def granite_hybrid_tensor(model, tensor, pattern, layer):
    if "ffn_up_" in pattern:
        return []  # behind the gate
    if "ffn_gate_exps" in pattern or "ffn_gate_shexp" in pattern:
        shared = "shexp" in pattern
        other, shape = model.tensors[tensor.name.replace("gate", "up")].data, list(tensor.shape)
        data = matrices_in_turn(tensor.data, other, 1 if shared else shape[0])
        shape[-2] *= 2
        part = "shared_mlp" if shared else "block_sparse_moe"
        return [(f"model.layers.{layer}.{part}.input_linear.weight", tensor.type, shape, data)]
    return state_tensor(tensor, pattern, f"model.layers.{layer}.mamba")


def granite_hybrid_facts(model, config):
    heads = config["num_key_value_heads"]
    config["num_key_value_heads"] = max(heads)
    config["layer_types"] = ["attention" if count else "mamba" for count in heads]
    config.update(mamba_expand=2, position_embedding_type="nope", max_position_embeddings=4096,
                  shared_intermediate_size=key_of(model, "expert_shared_feed_forward_length"))
    state_facts(model, config)


def attention_only_tensor(model, tensor, pattern, layer):
    """Granite 4 without state spaces or experts: what experts would share is all there is."""
    stem = f"model.layers.{layer}.shared_mlp"
    if pattern == "blk.#.ffn_up":
        return []  # behind the gate
    if pattern == "blk.#.ffn_down":
        return [(f"{stem}.output_linear.weight", tensor.type, tensor.shape, tensor.data)]
    if pattern != "blk.#.ffn_gate":
        return None
    other = model.tensors[tensor.name.replace("gate", "up")].data
    return [(f"{stem}.input_linear.weight", tensor.type, [2 * tensor.shape[0], tensor.shape[1]],
             tensor.data + other)]


def attention_only_facts(model, config):
    config.update(layer_types=["attention"] * config["num_hidden_layers"], num_local_experts=0,
                  num_experts_per_tok=0, position_embedding_type="rope",
                  shared_intermediate_size=config["intermediate_size"])


# Powers of two, so that nothing is rounded on the way.
FALCON_FACTORS = {
    "token_embd": 0.25, "output": 0.5, "blk.#.attn_q": 0.5, "blk.#.attn_k": 0.5 * 0.25,
    "blk.#.attn_v": 0.5, "blk.#.attn_output": 0.25, "blk.#.ssm_out": 0.125, "blk.#.ffn_gate": 0.5,
    "blk.#.ffn_down": 0.25,
}
INPUT_FACTORS = [0.5, 0.25, 0.125, 1.0, 2.0]


def divided(data, factor):
    values = struct.unpack(f"<{len(data) // 2}e", data)
    return struct.pack(f"<{len(values)}e", *(value / factor for value in values))


def falcon_h1_tensor(model, tensor, pattern, layer):
    if pattern == "blk.#.ffn_norm":
        return [(f"model.layers.{layer}.pre_ff_layernorm.weight", tensor.type, tensor.shape,
                 tensor.data)]
    if pattern == "blk.#.ssm_in":
        inner, states = key_of(model, "ssm.inner_size"), key_of(model, "ssm.state_size")
        row, data, at = tensor.shape[1] * 2, b"", 0
        for rows, factor in zip((inner, inner, states, states, tensor.shape[0]), INPUT_FACTORS):
            data += divided(tensor.data[at * row:(at + rows) * row], factor * 0.5)
            at += rows
        return [(f"model.layers.{layer}.mamba.in_proj.weight", tensor.type, tensor.shape, data)]
    return state_tensor(tensor, pattern, f"model.layers.{layer}.mamba")


def falcon_h1_facts(model, config):
    state_facts(model, config)
    config.update(mamba_d_ssm=key_of(model, "ssm.inner_size"), embedding_multiplier=0.25,
                  mamba_d_head=key_of(model, "ssm.inner_size") // config["mamba_n_heads"],
                  lm_head_multiplier=0.5, attention_in_multiplier=0.5, key_multiplier=0.25,
                  attention_out_multiplier=0.25, ssm_in_multiplier=0.5, ssm_out_multiplier=0.125,
                  ssm_multipliers=INPUT_FACTORS, mlp_multipliers=[0.5, 0.25])


def qwen35_heads(model):
    groups, heads = key_of(model, "ssm.group_count"), key_of(model, "ssm.time_step_rank")
    return groups, heads // groups, key_of(model, "ssm.inner_size") // heads


def group_by_group(data, groups, each, row_bytes):
    """Heads that take turns (the first of every group, the second ...) brought beside their own."""
    head = len(data) // (groups * each) if row_bytes is None else row_bytes
    pieces = [data[i:i + head] for i in range(0, len(data), head)]
    period = groups * each
    return b"".join(pieces[base + t * groups + g] for base in range(0, len(pieces), period)
                    for g in range(groups) for t in range(each))


def qwen35_tensor(model, tensor, pattern, layer):
    groups, each, width = qwen35_heads(model)
    part, stem = pattern.rpartition(".")[2], f"model.language_model.layers.{layer}.linear_attn"
    queries_and_keys = 2 * groups * key_of(model, "ssm.state_size")
    size = {"F16": 2, "F32": 4}[tensor.type]
    regroup = lambda data, row=None: group_by_group(data, groups, each, row)
    if part in ("attn_qkv", "ssm_conv1d"):
        kept = queries_and_keys * tensor.shape[1] * size
        data = tensor.data[:kept] + regroup(tensor.data[kept:])
        if part == "attn_qkv":
            return [(f"{stem}.in_proj_qkv.weight", tensor.type, tensor.shape, data)]
        return [(f"{stem}.conv1d.weight", "F32", [tensor.shape[0], 1, tensor.shape[1]], data)]
    names = {"attn_gate": "in_proj_z.weight", "ssm_alpha": "in_proj_a.weight",
             "ssm_beta": "in_proj_b.weight", "ssm_dt": "dt_bias"}
    if part in names:
        return [(f"{stem}.{names[part]}", tensor.type, tensor.shape, regroup(tensor.data))]
    if part == "ssm_out":
        return [(f"{stem}.out_proj.weight", tensor.type, tensor.shape,
                 regroup(tensor.data, width * size))]
    if part == "ssm_a":
        values = struct.unpack(f"<{tensor.shape[0]}f", regroup(tensor.data))
        return [(f"{stem}.A_log", "F32", tensor.shape,
                 struct.pack(f"<{len(values)}f", *(math.log(-value) for value in values)))]
    if part == "ssm_norm":
        return [(f"{stem}.norm.weight", tensor.type, tensor.shape, tensor.data)]
    return None


def qwen35_facts(model, config):
    groups, each, width = qwen35_heads(model)
    config["rope_parameters"] = {
        "rope_type": "default", "rope_theta": config.pop("rope_theta"), "mrope_interleaved": True,
        "mrope_section": key_of(model, "rope.dimension_sections")[:3],
        "partial_rotary_factor": config.pop("partial_rotary_factor")}
    config.update(linear_conv_kernel_dim=key_of(model, "ssm.conv_kernel"),
                  linear_key_head_dim=key_of(model, "ssm.state_size"), linear_num_key_heads=groups,
                  linear_num_value_heads=groups * each, linear_value_head_dim=width,
                  layer_types=["linear_attention"] * 3 + ["full_attention"])


STATE_KINDS = {
    "mamba2": Kind("Mamba2ForCausalLM", DECODER, MAMBA2, tensor=mamba2_tensor, facts=mamba2_facts),
    "granitehybrid": Kind("GraniteMoeHybridForCausalLM", DECODER, GRANITE_HYBRID, turned=True,
                          tensor=granite_hybrid_tensor, facts=granite_hybrid_facts),
    "falcon-h1": Kind("FalconH1ForCausalLM", DECODER, FALCON_H1, tensor=falcon_h1_tensor,
                      facts=falcon_h1_facts, factors=FALCON_FACTORS),
    "qwen35": Kind("Qwen3_5ForConditionalGeneration", DECODER, QWEN35, less_one=True,
                   tensor=qwen35_tensor, facts=qwen35_facts),
}
GRANITE_WITHOUT_STATES = Kind("GraniteMoeHybridForCausalLM", DECODER, turned=True,
                              tensor=attention_only_tensor, facts=attention_only_facts)
