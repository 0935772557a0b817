"""Families whose directories differ from a GGUF file in more than names: weights that are joined,
turned or stored as codes and scales there."""
import json

from hugging_face import DECODER, GEMMA2, Kind, key_of, spread, write_safetensors

GPT_OSS = [
    ("blk.#.post_attention_norm", "model.layers.#.post_attention_layernorm"),
    ("blk.#.ffn_gate_inp", "model.layers.#.mlp.router"),
]
LFM2 = [
    ("token_embd", "model.embed_tokens"), ("token_embd_norm", "model.embedding_norm"),
    ("blk.#.attn_norm", "model.layers.#.operator_norm"), ("blk.#.ffn_norm", "model.layers.#.ffn_norm"),
    ("blk.#.shortconv.conv", "model.layers.#.conv.conv"),
    ("blk.#.shortconv.in_proj", "model.layers.#.conv.in_proj"),
    ("blk.#.shortconv.out_proj", "model.layers.#.conv.out_proj"),
    ("blk.#.attn_q", "model.layers.#.self_attn.q_proj"),
    ("blk.#.attn_k", "model.layers.#.self_attn.k_proj"),
    ("blk.#.attn_v", "model.layers.#.self_attn.v_proj"),
    ("blk.#.attn_output", "model.layers.#.self_attn.out_proj"),
    ("blk.#.attn_q_norm", "model.layers.#.self_attn.q_layernorm"),
    ("blk.#.attn_k_norm", "model.layers.#.self_attn.k_layernorm"),
    ("blk.#.ffn_gate", "model.layers.#.feed_forward.w1"),
    ("blk.#.ffn_down", "model.layers.#.feed_forward.w2"),
    ("blk.#.ffn_up", "model.layers.#.feed_forward.w3"),
]
GLM4 = [
    ("blk.#.post_attention_norm", "model.layers.#.post_self_attn_layernorm"),
    ("blk.#.post_ffw_norm", "model.layers.#.post_mlp_layernorm"),
    ("blk.#.ffn_up", "model.layers.#.mlp.gate_up_proj"),
]
DEEPSEEK = [
    ("blk.#.attn_kv_a_mqa", "model.layers.#.self_attn.kv_a_proj_with_mqa"),
    ("blk.#.attn_kv_a_norm", "model.layers.#.self_attn.kv_a_layernorm"),
    ("blk.#.ffn_gate_shexp", "model.layers.#.mlp.shared_experts.gate_proj"),
    ("blk.#.ffn_up_shexp", "model.layers.#.mlp.shared_experts.up_proj"),
    ("blk.#.ffn_down_shexp", "model.layers.#.mlp.shared_experts.down_proj"),
]
GEMMA4 = GEMMA2 + [
    ("per_layer_token_embd", "model.embed_tokens_per_layer"),
    ("per_layer_model_proj", "model.per_layer_model_projection"),
    ("per_layer_proj_norm", "model.per_layer_projection_norm"),
    ("blk.#.inp_gate", "model.layers.#.per_layer_input_gate"),
    ("blk.#.proj", "model.layers.#.per_layer_projection"),
    ("blk.#.post_norm", "model.layers.#.post_per_layer_input_norm"),
]


from hugging_face import DECODER, GEMMA2, Kind, key_of, spread, write_safetensors


def rows_in_turn(first, second, row_bytes):
    """Row 0 of the first, row 0 of the second, row 1 of the first ..."""
    return b"".join(first[i:i + row_bytes] + second[i:i + row_bytes]
                    for i in range(0, len(first), row_bytes))


def codes_and_scales(data):
    """Blocks of MXFP4 as gpt-oss stores them: two neighbours in a byte, the scales apart."""
    codes, scales = b"", b""
    for at in range(0, len(data), 17):
        block = data[at + 1:at + 17]
        values = [byte & 15 for byte in block] + [byte >> 4 for byte in block]
        codes += bytes(values[i] | values[i + 1] << 4 for i in range(0, 32, 2))
        scales += data[at:at + 1]
    return codes, scales


def gpt_oss_tensor(model, tensor, pattern, layer):
    stem, experts = f"model.layers.{layer}", f"model.layers.{layer}.mlp.experts"
    if pattern == "blk.#.attn_sinks":
        return [(f"{stem}.self_attn.sinks", tensor.type, tensor.shape, tensor.data)]
    if "_exps" not in pattern:
        return None
    name, shape, data = "down_proj", list(tensor.shape), tensor.data
    if "ffn_up" in pattern:
        return []  # beside the gate
    bias = tensor.name.endswith(".bias")
    if "ffn_gate" in pattern:
        other = model.tensors[tensor.name.replace("gate", "up")].data
        name, row = "gate_up_proj", 4 if bias else shape[2] // 32 * 17
        data = rows_in_turn(data, other, row)
        shape[1] *= 2
    if bias:
        return [(f"{experts}.{name}_bias", "F32", shape, data)]
    codes, scales = codes_and_scales(data)
    blocks = shape[:2] + [shape[2] // 32]
    return [(f"{experts}.{name}_blocks", "U8", blocks + [16], codes),
            (f"{experts}.{name}_scales", "U8", blocks, scales)]


def gpt_oss_facts(model, config):
    config["quantization_config"] = {"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]}


def lfm2_tensor(model, tensor, pattern, layer):
    if pattern != "blk.#.shortconv.conv":
        return None
    return spread(tensor, f"model.layers.{layer}.conv.conv")


def lfm2_facts(model, config):
    heads = config["num_key_value_heads"]
    config["num_key_value_heads"] = max(heads)
    config["layer_types"] = ["full_attention" if count else "conv" for count in heads]
    config["norm_eps"] = config.pop("rms_norm_eps")
    config["conv_L_cache"] = key_of(model, "shortconv.l_cache")
    # Two thirds of 180, rounded up to a multiple of 64.
    assert config.pop("intermediate_size") == 128
    config.update(block_ff_dim=180, block_auto_adjust_ff_dim=True, block_ffn_dim_multiplier=1.0,
                  block_multiple_of=64)


def cohere2_facts(model, config):
    config["logit_scale"] = config.pop("logits_scaling")
    config["rotary_pct"] = 1.0


def glm4_facts(model, config):
    config["eos_token_id"] = [model.keys[f"tokenizer.ggml.{role}_token_id"] for role in ("eos", "eot")]


def mistral3_facts(model, config):
    config["rope_parameters"] = {
        **config.pop("rope_scaling"), "rope_theta": config.pop("rope_theta"),
        "mscale_all_dim": key_of(model, "rope.scaling.yarn_log_multiplier"),
        "llama_4_scaling_beta": key_of(model, "attention.temperature_scale")}
    architectures = config.pop("architectures")
    inner = {**config, "model_type": "ministral3"}
    config.clear()
    config.update(architectures=architectures, model_type="mistral3", text_config=inner,
                  _name_or_path=inner.pop("_name_or_path"))


def embedding_facts(model, config):
    config["use_bidirectional_attention"] = True


def embedding_tensor(model, tensor, pattern, layer):
    return [] if pattern.startswith("dense_") else None


def write_dense(model, folder):
    """The two matrices behind the pooling, as sentence-transformers keeps them."""
    modules = json.loads((folder / "modules.json").read_text())
    for number in (2, 3):
        tensor = model.tensors[f"dense_{number}.weight"]
        path = folder / f"{number}_Dense"
        path.mkdir(exist_ok=True)
        modules.append({"idx": number, "path": path.name, "type": "sentence_transformers.models.Dense"})
        write_safetensors(path / "model.safetensors",
                          [("linear.weight", tensor.type, tensor.shape, tensor.data)])
        (path / "config.json").write_text(json.dumps(
            {"in_features": tensor.shape[1], "out_features": tensor.shape[0], "bias": False,
             "activation_function": "torch.nn.modules.linear.Identity"}))
    (folder / "modules.json").write_text(json.dumps(modules))


def deepseek_tensor(model, tensor, pattern, layer):
    if pattern == "blk.#.attn_v_b":
        return []  # beside the keys
    if pattern != "blk.#.attn_k_b":
        return None
    heads, rank, width = tensor.shape
    values = model.tensors[tensor.name.replace("k_b", "v_b")]
    size = len(tensor.data) // (heads * rank * width)
    data = b""
    for h in range(heads):
        cell = lambda c, i: ((h * rank + c) * width + i) * size
        data += b"".join(tensor.data[cell(c, i):cell(c, i) + size]
                         for i in range(width) for c in range(rank))
        each = len(values.data) // heads
        data += values.data[h * each:(h + 1) * each]
    shape = [heads * (width + values.shape[1]), rank]
    return [(f"model.layers.{layer}.self_attn.kv_b_proj.weight", tensor.type, shape, data),
            # A layer behind the last that would guess further.
            *([("model.layers.3.eh_proj.weight", "F32", [1, 1], bytes(4))] if layer == "0" else [])]


def deepseek_facts(model, config):
    rotated = key_of(model, "rope.dimension_count")
    for name in ("head_dim", "partial_rotary_factor"):
        config.pop(name)
    config["n_routed_experts"] = config.pop("num_local_experts")
    config.update(
        num_key_value_heads=config["num_attention_heads"], qk_rope_head_dim=rotated, n_group=1,
        qk_nope_head_dim=key_of(model, "attention.key_length_mla") - rotated, topk_group=1,
        v_head_dim=key_of(model, "attention.value_length_mla"), q_lora_rank=None,
        kv_lora_rank=key_of(model, "attention.kv_lora_rank"), scoring_func="softmax",
        n_shared_experts=key_of(model, "expert_shared_count"), num_nextn_predict_layers=1,
        norm_topk_prob=key_of(model, "expert_weights_norm"),
        routed_scaling_factor=key_of(model, "expert_weights_scale"),
        first_k_dense_replace=key_of(model, "leading_dense_block_count"))
    mscale = key_of(model, "rope.scaling.yarn_log_multiplier") * 10
    config["rope_scaling"].update(mscale=mscale, mscale_all_dim=mscale)


def gemma4_facts(model, config):
    config.update(
        head_dim=key_of(model, "attention.key_length_swa"),
        global_head_dim=key_of(model, "attention.key_length"),
        hidden_size_per_layer_input=key_of(model, "embedding_length_per_layer_input"),
        num_kv_shared_layers=key_of(model, "attention.shared_kv_layers"), use_double_wide_mlp=True,
        intermediate_size=config["intermediate_size"][0],
        layer_types=["sliding_attention" if local else "full_attention"
                     for local in key_of(model, "attention.sliding_window_pattern")],
        rope_parameters={
            "full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25,
                               "rope_theta": config.pop("rope_theta")},
            "sliding_attention": {"rope_type": "default", "rope_theta": config.pop("local_rope_theta")}})
    for name in ("rope_scaling", "global_attn_every_n_layers"):
        config.pop(name)


def gemma4_tensor(model, tensor, pattern, layer):
    if "layer_output_scale" not in pattern:
        return None
    return [(f"model.language_model.layers.{layer}.layer_scalar", "F32", [1], tensor.data)]


def under(prefix, *tables):
    return [(name, prefix + stored) for table in tables for name, stored in table]


def without_model(*tables):
    return [(name, stored.removeprefix("model.")) for table in tables for name, stored in table]


MORE_KINDS = {
    "gpt-oss-mxfp4": Kind("GptOssForCausalLM", DECODER, GPT_OSS, tensor=gpt_oss_tensor,
                          facts=gpt_oss_facts),
    "lfm2": Kind("Lfm2ForCausalLM", LFM2, tensor=lfm2_tensor, facts=lfm2_facts),
    "cohere2": Kind("Cohere2ForCausalLM", DECODER, facts=cohere2_facts),
    "glm4": Kind("Glm4ForCausalLM", DECODER, GLM4, facts=glm4_facts),
    "mistral3": Kind("Mistral3ForConditionalGeneration", under("language_model.", DECODER),
                     turned=True, facts=mistral3_facts),
    "gemma-embedding": Kind("Gemma3TextModel", without_model(DECODER, GEMMA2), less_one=True,
                            tensor=embedding_tensor, facts=embedding_facts, files=write_dense),
    "deepseek2": Kind("DeepseekV2ForCausalLM", DECODER, DEEPSEEK, tensor=deepseek_tensor,
                      facts=deepseek_facts),
    "gemma4": Kind("Gemma4ForConditionalGeneration", DECODER, GEMMA4, tensor=gemma4_tensor,
                   facts=gemma4_facts),
}
