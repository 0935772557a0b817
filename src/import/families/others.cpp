// GPT-2, StarCoder 2, StableLM, OLMo 2, OLMoE, Command R7B and GLM-4 of 2025.
#include <algorithm>

#include "gguf/value.h"
#include "import/family.h"

namespace issun::import {

namespace {

constexpr TensorRule kGpt2[] = {
    {"wte", "token_embd"},
    {"wpe", "position_embd"},
    {"ln_f", "output_norm"},
    {"lm_head", "output"},
    {"h.#.ln_1", "blk.#.attn_norm"},
    {"h.#.attn.c_attn", "blk.#.attn_qkv", Change::Transposed},
    {"h.#.attn.c_proj", "blk.#.attn_output", Change::Transposed},
    {"h.#.ln_2", "blk.#.ffn_norm"},
    {"h.#.mlp.c_fc", "blk.#.ffn_up", Change::Transposed},
    {"h.#.mlp.c_proj", "blk.#.ffn_down", Change::Transposed},
};
constexpr TensorRule kStarcoder2[] = {
    {"layers.#.mlp.c_fc", "blk.#.ffn_up"},
    {"layers.#.mlp.c_proj", "blk.#.ffn_down"},
};
// A norm for each head, stacked like experts.
constexpr TensorRule kStablelm[] = {
    {"layers.#.self_attn.q_layernorm.norms.#", "blk.#.attn_q_norm"},
    {"layers.#.self_attn.k_layernorm.norms.#", "blk.#.attn_k_norm"},
};
constexpr TensorRule kOlmo2[] = {
    {"embed_tokens", "token_embd"},
    {"norm", "output_norm"},
    {"lm_head", "output"},
    {"layers.#.self_attn.v_proj", "blk.#.attn_v"},
    {"layers.#.self_attn.o_proj", "blk.#.attn_output"},
    {"layers.#.post_attention_layernorm", "blk.#.post_attention_norm"},
    {"layers.#.mlp.gate_proj", "blk.#.ffn_gate"},
    {"layers.#.mlp.up_proj", "blk.#.ffn_up"},
    {"layers.#.mlp.down_proj", "blk.#.ffn_down"},
    {"layers.#.post_feedforward_layernorm", "blk.#.post_ffw_norm"},
};

constexpr TensorRule kGlm4[] = {
    {"embed_tokens", "token_embd"},
    {"norm", "output_norm"},
    {"lm_head", "output"},
    {"layers.#.input_layernorm", "blk.#.attn_norm"},
    {"layers.#.self_attn.v_proj", "blk.#.attn_v"},
    {"layers.#.self_attn.o_proj", "blk.#.attn_output"},
    {"layers.#.post_self_attn_layernorm", "blk.#.post_attention_norm"},
    {"layers.#.post_attention_layernorm", "blk.#.ffn_norm"},
    {"layers.#.mlp.gate_up_proj", "blk.#.ffn_up"},  // gate, then up: fused in the file too
    {"layers.#.mlp.down_proj", "blk.#.ffn_down"},
    {"layers.#.post_mlp_layernorm", "blk.#.post_ffw_norm"},
};

constexpr KeyRule kCohere2Keys[] = {
    {"logit_scale", "logit_scale", KeyRule::Number, true},
    {"sliding_window", "attention.sliding_window", KeyRule::Count, true},
};
constexpr KeyRule kStablelmKeys[] = {
    {"layer_norm_eps|norm_eps", "attention.layer_norm_epsilon", KeyRule::Number, true},
    {"use_parallel_residual", "use_parallel_residual", KeyRule::Flag},
};

Result<void> more_gpt2(const Facts& facts, Keys& keys, Plan&) {
  if (keys.has("feed_forward_length")) return {};
  keys.set_count("feed_forward_length", 4 * TRY(facts.count("n_embd")));
  return {};
}

Result<void> more_stablelm(const Facts& facts, Keys& keys, Plan&) {
  if (!keys.has("use_parallel_residual")) keys.set_flag("use_parallel_residual", true);
  return set_rotated_part(facts, keys);
}

// Without a window this is OLMo 2; with one OLMo 3, whose every fourth layer sees all.
Result<void> more_olmo2(const Facts& facts, Keys& keys, Plan&) {
  const auto window = TRY(facts.maybe_count("sliding_window"));
  if (!window) return {};
  keys.set_count("attention.sliding_window", *window);
  std::vector<bool> local;
  for (const Json& kind : facts.get("layer_types").items()) {
    local.push_back(kind.is("sliding_attention"));
  }
  const int64_t layers = TRY(facts.count("num_hidden_layers"));
  if (layers > 4096) return fail("{}: num_hidden_layers: expected at most 4096", facts.name());
  for (int64_t l = static_cast<int64_t>(local.size()); l < layers; ++l) {
    local.push_back((l + 1) % 4 != 0);
  }
  keys.set_flags("attention.sliding_window_pattern", local);
  return {};
}

// Three layers see a window, the fourth sees all: no file says otherwise. Nor has it biases, which
// some directories store as zeros.
Result<void> more_cohere2(const Facts& facts, Keys& keys, Plan& plan) {
  if (TRY(facts.maybe_count("sliding_window_pattern")).value_or(4) != 4) {
    return fail("{}: sliding_window_pattern: expected 4", facts.name());
  }
  const double part = TRY(facts.maybe_number("rotary_pct")).value_or(1);
  keys.set_count("rope.dimension_count",
                 static_cast<int64_t>(part * static_cast<double>(TRY(head_width(facts)))));
  keys.set_text("rope.scaling.type", "none");
  for (const PlannedTensor& tensor : plan.tensors) {
    if (!tensor.name.ends_with(".bias")) continue;
    std::vector<float> values(static_cast<size_t>(tensor.columns));
    tensor.parts[0].stored.read(0, 0, values);
    if (std::any_of(values.begin(), values.end(), [](float value) { return value != 0; })) {
      return fail("{}: expected a bias of zeros, found other numbers", tensor.name);
    }
  }
  std::erase_if(plan.tensors, [](const auto& tensor) { return tensor.name.ends_with(".bias"); });
  return {};
}

// After "<|user|>", the second of the ends, a turn is over.
Result<void> more_glm4(const Facts& facts, Keys& keys, Plan&) {
  if (facts.get("rope_parameters|rope_scaling").has("mrope_section")) {
    return fail("{}: mrope_section: expected rotation by one position", facts.name());
  }
  const auto& ends = facts.get("eos_token_id").items();
  if (ends.size() > 1 && ends[1].is_integer() && ends[1].integer() >= 0 &&
      ends[1].integer() < INT32_MAX) {
    keys.set_general("tokenizer.ggml.eot_token_id",
                     gguf::make_u32(static_cast<uint32_t>(ends[1].integer())));
  }
  return set_rotated_part(facts, keys);
}

const Family kOthersFamilies[] = {
    {.classes = "Cohere2ForCausalLM",
     .architecture = "cohere2",
     .tensors = decoder_rules(),
     .more_tensors = straight_rules(),
     .keys = kCohere2Keys,
     .more = more_cohere2},
    {.classes = "Glm4ForCausalLM",
     .architecture = "glm4",
     .tensors = kGlm4,
     .more_tensors = straight_rules(),
     .defaults = R"({"partial_rotary_factor": 0.5})",
     .more = more_glm4},
    {.classes = "GPT2LMHeadModel", .architecture = "gpt2", .tensors = kGpt2, .more = more_gpt2},
    {.classes = "Starcoder2ForCausalLM",
     .architecture = "starcoder2",
     .tensors = decoder_rules(),
     .more_tensors = straight_rules(),
     .most_tensors = kStarcoder2},
    {.classes = "StableLmForCausalLM StableLMEpochForCausalLM",
     .architecture = "stablelm",
     .tensors = decoder_rules(),
     .more_tensors = straight_rules(),
     .most_tensors = kStablelm,
     .keys = kStablelmKeys,
     .defaults = R"({"partial_rotary_factor": 0.25})",
     .more = more_stablelm},
    {.classes = "Olmo2ForCausalLM Olmo3ForCausalLM",
     .architecture = "olmo2",
     .tensors = kOlmo2,
     .more_tensors = straight_rules(),
     .more = more_olmo2},
    {.classes = "OlmoeForCausalLM",
     .architecture = "olmoe",
     .tensors = decoder_rules(),
     .more_tensors = straight_rules(),
     .most_tensors = expert_rules(),
     .defaults = R"({"rms_norm_eps": 1e-5})"},
};

}  // namespace

std::span<const Family> other_families() { return kOthersFamilies; }

}  // namespace issun::import
