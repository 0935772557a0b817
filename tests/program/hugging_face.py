"""Writes a Hugging Face directory that means the same as a GGUF file: the other way round from
`issun import`, written apart from it, so that both ways together prove something."""
import json
import re
import struct

# (name in the file, name in the directory, what the directory stores otherwise)
DECODER = [
    ("token_embd", "model.embed_tokens"), ("output_norm", "model.norm"), ("output", "lm_head"),
    ("blk.#.attn_norm", "model.layers.#.input_layernorm"),
    ("blk.#.attn_q", "model.layers.#.self_attn.q_proj"),
    ("blk.#.attn_k", "model.layers.#.self_attn.k_proj"),
    ("blk.#.attn_v", "model.layers.#.self_attn.v_proj"),
    ("blk.#.attn_output", "model.layers.#.self_attn.o_proj"),
    ("blk.#.attn_q_norm", "model.layers.#.self_attn.q_norm"),
    ("blk.#.attn_k_norm", "model.layers.#.self_attn.k_norm"),
    ("blk.#.ffn_norm", "model.layers.#.post_attention_layernorm"),
    ("blk.#.ffn_gate", "model.layers.#.mlp.gate_proj"),
    ("blk.#.ffn_up", "model.layers.#.mlp.up_proj"),
    ("blk.#.ffn_down", "model.layers.#.mlp.down_proj"),
    ("blk.#.ffn_gate_inp", "model.layers.#.mlp.gate"),
    ("blk.#.ffn_gate_exps", "model.layers.#.mlp.experts.@.gate_proj"),
    ("blk.#.ffn_up_exps", "model.layers.#.mlp.experts.@.up_proj"),
    ("blk.#.ffn_down_exps", "model.layers.#.mlp.experts.@.down_proj"),
]
MIXTRAL = DECODER[:-4] + [
    ("blk.#.ffn_gate_inp", "model.layers.#.block_sparse_moe.gate"),
    ("blk.#.ffn_gate_exps", "model.layers.#.block_sparse_moe.experts.@.w1"),
    ("blk.#.ffn_down_exps", "model.layers.#.block_sparse_moe.experts.@.w2"),
    ("blk.#.ffn_up_exps", "model.layers.#.block_sparse_moe.experts.@.w3"),
]
POST_NORMS = [
    ("blk.#.post_attention_norm", "model.layers.#.post_attention_layernorm"),
    ("blk.#.post_ffw_norm", "model.layers.#.post_feedforward_layernorm"),
]
GEMMA2 = [("blk.#.ffn_norm", "model.layers.#.pre_feedforward_layernorm")] + POST_NORMS
PHI2 = [
    ("output_norm", "model.final_layernorm"),
    ("blk.#.attn_output", "model.layers.#.self_attn.dense"),
    ("blk.#.ffn_up", "model.layers.#.mlp.fc1"), ("blk.#.ffn_down", "model.layers.#.mlp.fc2"),
]
PHI3 = [
    ("blk.#.attn_qkv", "model.layers.#.self_attn.qkv_proj"),
    ("blk.#.ffn_up", "model.layers.#.mlp.gate_up_proj"),
]
GPT2 = [
    ("token_embd", "transformer.wte"), ("position_embd", "transformer.wpe"),
    ("output_norm", "transformer.ln_f"), ("blk.#.attn_norm", "transformer.h.#.ln_1"),
    ("blk.#.attn_qkv", "transformer.h.#.attn.c_attn"),
    ("blk.#.attn_output", "transformer.h.#.attn.c_proj"),
    ("blk.#.ffn_norm", "transformer.h.#.ln_2"), ("blk.#.ffn_up", "transformer.h.#.mlp.c_fc"),
    ("blk.#.ffn_down", "transformer.h.#.mlp.c_proj"),
]
STABLELM_NORMS = [
    ("blk.#.attn_q_norm", "model.layers.#.self_attn.q_layernorm.norms.@"),
    ("blk.#.attn_k_norm", "model.layers.#.self_attn.k_layernorm.norms.@"),
]
BERT = [
    ("token_embd", "bert.embeddings.word_embeddings"),
    ("position_embd", "bert.embeddings.position_embeddings"),
    ("token_types", "bert.embeddings.token_type_embeddings"),
    ("token_embd_norm", "bert.embeddings.LayerNorm"),
    ("blk.#.attn_q", "bert.encoder.layer.#.attention.self.query"),
    ("blk.#.attn_k", "bert.encoder.layer.#.attention.self.key"),
    ("blk.#.attn_v", "bert.encoder.layer.#.attention.self.value"),
    ("blk.#.attn_output", "bert.encoder.layer.#.attention.output.dense"),
    ("blk.#.attn_output_norm", "bert.encoder.layer.#.attention.output.LayerNorm"),
    ("blk.#.ffn_up", "bert.encoder.layer.#.intermediate.dense"),
    ("blk.#.ffn_down", "bert.encoder.layer.#.output.dense"),
    ("blk.#.layer_output_norm", "bert.encoder.layer.#.output.LayerNorm"),
    ("cls", "bert.pooler.dense"), ("cls.output", "classifier"),
]
NOMIC = [
    ("token_embd", "embeddings.word_embeddings"), ("token_types", "embeddings.token_type_embeddings"),
    ("token_embd_norm", "emb_ln"), ("blk.#.attn_qkv", "encoder.layers.#.attn.Wqkv"),
    ("blk.#.attn_output", "encoder.layers.#.attn.out_proj"),
    ("blk.#.attn_output_norm", "encoder.layers.#.norm1"),
    ("blk.#.ffn_up", "encoder.layers.#.mlp.fc11"), ("blk.#.ffn_gate", "encoder.layers.#.mlp.fc12"),
    ("blk.#.ffn_down", "encoder.layers.#.mlp.fc2"),
    ("blk.#.layer_output_norm", "encoder.layers.#.norm2"),
]
MODERN = [
    ("token_embd", "model.embeddings.tok_embeddings"), ("token_embd_norm", "model.embeddings.norm"),
    ("output_norm", "model.final_norm"), ("blk.#.attn_norm", "model.layers.#.attn_norm"),
    ("blk.#.attn_qkv", "model.layers.#.attn.Wqkv"), ("blk.#.attn_output", "model.layers.#.attn.Wo"),
    ("blk.#.ffn_norm", "model.layers.#.mlp_norm"), ("blk.#.ffn_up", "model.layers.#.mlp.Wi"),
    ("blk.#.ffn_down", "model.layers.#.mlp.Wo"),
]
COMPUTED = ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight")


class Kind:
    """`tensor(model, tensor, pattern, layer)` may say what becomes of one: a list, or None: as the
    tables say. `facts(model, config)` changes config.json, `files(model, folder)` adds to it.
    `factors`: what the tensors of a name are divided by."""

    def __init__(self, class_name, *tables, turned=False, less_one=False, transposed=False,
                 tensor=None, facts=None, files=None, factors=None):
        self.class_name = class_name
        self.names = {}
        for table in tables:
            self.names.update(table)
        self.turned, self.less_one, self.transposed = turned, less_one, transposed
        self.tensor, self.facts, self.files = tensor, facts, files
        self.factors = factors or {}


# Cases of the conformance data by the class that would have saved them.
KINDS = {
    "llama2": Kind("LlamaForCausalLM", DECODER, turned=True),
    "llama3": Kind("LlamaForCausalLM", DECODER, turned=True),
    "llama-bias": Kind("LlamaForCausalLM", DECODER, turned=True),
    "llama-yarn": Kind("LlamaForCausalLM", DECODER, turned=True),
    "mixtral": Kind("MixtralForCausalLM", MIXTRAL, turned=True),
    "smollm3": Kind("SmolLM3ForCausalLM", DECODER, turned=True),
    "granite": Kind("GraniteForCausalLM", DECODER, turned=True),
    "qwen2": Kind("Qwen2ForCausalLM", DECODER),
    "qwen3": Kind("Qwen3ForCausalLM", DECODER),
    "qwen3moe": Kind("Qwen3MoeForCausalLM", DECODER),
    "gemma": Kind("GemmaForCausalLM", DECODER, less_one=True),
    "gemma2": Kind("Gemma2ForCausalLM", DECODER, GEMMA2, less_one=True),
    "gemma3": Kind("Gemma3ForCausalLM", DECODER, GEMMA2, less_one=True),
    "olmo2": Kind("Olmo2ForCausalLM", DECODER, POST_NORMS),
    "stablelm": Kind("StableLmForCausalLM", DECODER, STABLELM_NORMS),
    "phi2": Kind("PhiForCausalLM", DECODER, PHI2),
    "phi3": Kind("Phi3ForCausalLM", DECODER, PHI3),
    "phi3-longrope": Kind("Phi3ForCausalLM", DECODER, PHI3),
    "gpt2": Kind("GPT2LMHeadModel", GPT2, transposed=True),
    "bert-mean": Kind("BertModel", BERT),
    "bert-rerank": Kind("BertForSequenceClassification", BERT),
    "nomic-bert": Kind("NomicBertModel", NOMIC),
    "modern-bert": Kind("ModernBertModel", MODERN),
}

# Facts of config.json by the key of the GGUF file they become.
FACTS = {
    "block_count": "num_hidden_layers", "context_length": "max_position_embeddings",
    "embedding_length": "hidden_size", "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads", "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim", "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "attention.layer_norm_epsilon": "layer_norm_eps", "rope.freq_base": "rope_theta",
    "rope.freq_base_swa": "local_rope_theta", "expert_count": "num_local_experts",
    "expert_used_count": "num_experts_per_tok",
    "expert_feed_forward_length": "moe_intermediate_size", "attention.scale": "attention_multiplier",
    "embedding_scale": "embedding_multiplier", "residual_scale": "residual_multiplier",
    "logit_scale": "logits_scaling", "attn_logit_softcapping": "attn_logit_softcapping",
    "final_logit_softcapping": "final_logit_softcapping",
    "attention.sliding_window": "sliding_window", "use_parallel_residual": "use_parallel_residual",
    "rope.scaling.original_context_length": "original_max_position_embeddings",
    "attention.sliding_window_pattern": "global_attn_every_n_layers",
}
OLDER_FACTS = {  # as GPT-2 and nomic-bert spell them
    "block_count": "n_layer", "context_length": "n_positions", "embedding_length": "n_embd",
    "feed_forward_length": "n_inner", "attention.head_count": "n_head",
    "attention.layer_norm_epsilon": "layer_norm_epsilon", "rope.freq_base": "rotary_emb_base",
}


def config_of(model, kind):
    architecture = model.keys["general.architecture"]
    older = kind.class_name in ("GPT2LMHeadModel", "NomicBertModel")
    config = {"architectures": [kind.class_name], "_name_or_path": "someone/" +
              model.keys["general.name"]}
    for key, name in (OLDER_FACTS if older else FACTS).items():
        value = model.keys.get(f"{architecture}.{key}")
        if value is not None:
            config[name] = value
    own = lambda key: model.keys.get(f"{architecture}.{key}")
    if kind.class_name == "ModernBertModel":
        config["local_attention"] = config.pop("sliding_window")
        config["norm_eps"] = config["layer_norm_eps"]
    width = own("attention.key_length") or own("embedding_length") // (own("attention.head_count") or 1)
    if own("rope.dimension_count") not in (None, width):
        config["partial_rotary_factor"] = own("rope.dimension_count") / width
    if "tokenizer.ggml.token_type_count" in model.keys:
        config["type_vocab_size"] = model.keys["tokenizer.ggml.token_type_count"]
    if own("classifier.output_labels"):
        config["id2label"] = dict(enumerate(own("classifier.output_labels")))
    scaling = {"rope_type": own("rope.scaling.type"), "factor": own("rope.scaling.factor")}
    for key, name in (("yarn_ext_factor", "extrapolation_factor"),
                      ("yarn_attn_factor", "attention_factor"), ("yarn_beta_fast", "beta_fast"),
                      ("yarn_beta_slow", "beta_slow"),
                      ("original_context_length", "original_max_position_embeddings")):
        scaling[name] = own(f"rope.scaling.{key}")
    if scaling["rope_type"] in ("linear", "yarn"):
        config["rope_scaling"] = {k: v for k, v in scaling.items() if v is not None}
    if "rope_factors_long.weight" in model.tensors:
        config["rope_scaling"] = {"rope_type": "longrope"}
        for length in ("long", "short"):
            data = model.tensors[f"rope_factors_{length}.weight"].data
            config["rope_scaling"][f"{length}_factor"] = list(
                struct.unpack(f"<{len(data) // 4}f", data))
    if "rope_freqs.weight" in model.tensors:
        config["rope_scaling"] = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                                  "high_freq_factor": 4.0,
                                  "original_max_position_embeddings": 256}
    if kind.facts:
        kind.facts(model, config)
    return config


def key_of(model, name, otherwise=None):
    return model.keys.get(f"{model.keys['general.architecture']}.{name}", otherwise)


def spread(tensor, name):
    """A convolution of each channel by itself, as frameworks store it."""
    return [(f"{name}.weight", tensor.type, [tensor.shape[0], 1, tensor.shape[1]], tensor.data)]


def halves_of_heads(rows, heads):
    """Rows that rotate as neighbours in the file are two halves of a head in the directory."""
    width = len(rows) // heads
    return [rows[h * width + i] for h in range(heads)
            for i in list(range(0, width, 2)) + list(range(1, width, 2))]


def stored_bytes(model, kind, tensor, stem):
    """The bytes of a tensor as the directory has them, and its shape there."""
    architecture = model.keys["general.architecture"]
    heads = model.keys[f"{architecture}.attention.head_count"]
    keys = model.keys.get(f"{architecture}.attention.head_count_kv", heads)
    keys = max(keys) if isinstance(keys, list) else keys
    if kind.turned and stem in ("blk.#.attn_q", "blk.#.attn_k"):
        width = 4 if len(tensor.shape) == 1 else len(tensor.data) // tensor.shape[0]
        rows = [tensor.data[i:i + width] for i in range(0, len(tensor.data), width)]
        turned = halves_of_heads(rows, heads if stem.endswith("q") else keys)
        return b"".join(turned), tensor.shape
    if kind.less_one and stem.endswith("norm"):
        values = struct.unpack(f"<{len(tensor.data) // 4}f", tensor.data)
        return struct.pack(f"<{len(values)}f", *(value - 1 for value in values)), tensor.shape
    if stem in kind.factors:
        values = struct.unpack(f"<{len(tensor.data) // 2}e", tensor.data)
        return struct.pack(f"<{len(values)}e", *(v / kind.factors[stem] for v in values)), tensor.shape
    matrix = len(tensor.shape) == 2 and stem.startswith("blk.")
    if kind.transposed and matrix:
        rows, columns = tensor.shape
        size = len(tensor.data) // (rows * columns)
        cells = [tensor.data[(r * columns + c) * size:(r * columns + c + 1) * size]
                 for c in range(columns) for r in range(rows)]
        return b"".join(cells), [columns, rows]
    return tensor.data, tensor.shape


def stored_tensors(model, kind):
    """(name, type, shape, bytes) of everything in the directory."""
    for tensor in model.tensors.values():
        if tensor.name in COMPUTED:
            continue
        stem, _, ending = tensor.name.rpartition(".")
        numbers = re.findall(r"\d+", stem)
        pattern = re.sub(r"(?<=blk\.)\d+", "#", stem)
        if ending not in ("weight", "bias"):
            pattern = f"{pattern}.{ending}"
        special = kind.tensor and kind.tensor(model, tensor, pattern, numbers[0] if numbers else None)
        if special is not None:
            yield from special
            continue
        name = kind.names[pattern].replace("#", numbers[0] if numbers else "")
        data, shape = stored_bytes(model, kind, tensor, pattern)
        if "@" not in name:
            yield f"{name}.{ending}", tensor.type, shape, data
            continue
        each = len(data) // shape[0]
        for expert in range(shape[0]):
            yield (f"{name.replace('@', str(expert))}.{ending}", tensor.type, shape[1:],
                   data[expert * each:(expert + 1) * each])


def write_safetensors(path, tensors):
    table, data = {"__metadata__": {"format": "pt"}}, b""
    for name, kind, shape, piece in tensors:
        table[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data),
                                                                      len(data) + len(piece)]}
        data += piece
    text = json.dumps(table).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def write_pooling(model, folder):
    """As sentence-transformers keeps it: mean, first or last token."""
    mode = model.keys.get(model.keys["general.architecture"] + ".pooling_type")
    names = {1: "mean_tokens", 2: "cls_token", 3: "lasttoken"}
    if mode not in names:
        return
    (folder / "modules.json").write_text(json.dumps(
        [{"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"},
         {"idx": 1, "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({f"pooling_mode_{name}": number == mode for number, name in names.items()}))


def write_model(model, kind, folder, files=1):
    """config.json and the weights, in one file or in several with an index."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config_of(model, kind)))
    write_pooling(model, folder)
    if kind.files:
        kind.files(model, folder)
    tensors = list(stored_tensors(model, kind))
    if files == 1:
        write_safetensors(folder / "model.safetensors", tensors)
        return
    where = {}
    for part in range(files):
        name = f"model-{part + 1:05}-of-{files:05}.safetensors"
        write_safetensors(folder / name, tensors[part::files])
        where.update({tensor[0]: name for tensor in tensors[part::files]})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
