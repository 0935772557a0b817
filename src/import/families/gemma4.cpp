// Gemma 4 (text): narrower heads in local layers, and an input of its own for every layer.
#include "gguf/value.h"
#include "import/family.h"

namespace issun::import {

namespace {

constexpr TensorRule kGemma4[] = {
    {"embed_tokens", "token_embd"},
    {"embed_tokens_per_layer", "per_layer_token_embd"},
    {"per_layer_model_projection", "per_layer_model_proj"},
    {"per_layer_projection_norm", "per_layer_proj_norm"},
    {"norm", "output_norm"},
    {"lm_head", nullptr},  // the embedding again
    {"layers.#.input_layernorm", "blk.#.attn_norm"},
    {"layers.#.self_attn.v_proj", "blk.#.attn_v"},
    {"layers.#.self_attn.o_proj", "blk.#.attn_output"},
    {"layers.#.post_attention_layernorm", "blk.#.post_attention_norm"},
    {"layers.#.pre_feedforward_layernorm", "blk.#.ffn_norm"},
    {"layers.#.mlp.gate_proj", "blk.#.ffn_gate"},
    {"layers.#.mlp.up_proj", "blk.#.ffn_up"},
    {"layers.#.mlp.down_proj", "blk.#.ffn_down"},
    {"layers.#.post_feedforward_layernorm", "blk.#.post_ffw_norm"},
    {"layers.#.per_layer_input_gate", "blk.#.inp_gate"},
    {"layers.#.per_layer_projection", "blk.#.proj"},
    {"layers.#.post_per_layer_input_norm", "blk.#.post_norm"},
    {"layers.#.layer_scalar", "blk.#.layer_output_scale"},
};

constexpr KeyRule kGemma4Keys[] = {
    {"final_logit_softcapping", "final_logit_softcapping", KeyRule::Number},
    {"sliding_window", "attention.sliding_window", KeyRule::Count, true},
    {"num_kv_shared_layers", "attention.shared_kv_layers", KeyRule::Count, true},
    {"global_head_dim", "attention.key_length", KeyRule::Count, true},
    {"global_head_dim", "attention.value_length", KeyRule::Count, true},
    {"global_head_dim", "rope.dimension_count", KeyRule::Count, true},
    {"head_dim", "attention.key_length_swa", KeyRule::Count, true},
    {"head_dim", "attention.value_length_swa", KeyRule::Count, true},
};

// Layers that share the keys of others may be twice as wide.
Result<void> set_lengths(const Facts& facts, Keys& keys) {
  if (!facts.get("use_double_wide_mlp").is_true()) return {};
  const int64_t layers = TRY(facts.count("num_hidden_layers")),
                length = TRY(facts.count("intermediate_size")),
                own = layers - TRY(facts.count("num_kv_shared_layers"));
  if (layers > 4096 || length > INT32_MAX / 2) {
    return fail("{}: intermediate_size: expected at most {}", facts.name(), INT32_MAX / 2);
  }
  std::vector<int32_t> lengths;
  for (int64_t l = 0; l < layers; ++l) {
    lengths.push_back(static_cast<int32_t>(l < own ? length : 2 * length));
  }
  keys.set_counts("feed_forward_length", lengths);
  return {};
}

Result<void> set_global_heads(const Facts& facts, const std::vector<bool>& local, Keys& keys) {
  const auto global = TRY(facts.maybe_count("num_global_key_value_heads"));
  if (!global) return {};
  const int64_t heads = TRY(facts.count("num_key_value_heads"));
  std::vector<int32_t> counts;
  for (const bool is_local : local) {
    counts.push_back(static_cast<int32_t>(is_local ? heads : *global));
  }
  keys.set_counts("attention.head_count_kv", counts);
  return {};
}

// Of a head's pairs in the layers that see all, only the first ones turn: the others are divided by
// so much that they stand still.
Result<void> add_still_pairs(const Facts& facts, Plan& plan) {
  const Json& rope = facts.get("rope_parameters|rope_scaling")["full_attention"];
  const int64_t width = TRY(facts.count("global_head_dim"));
  const Json& part = rope["partial_rotary_factor"];
  if (!rope["rope_type"].is("proportional") || !part.is_number() || width < 2 || width > 4096 ||
      part.number() < 0 || part.number() > 1) {
    return fail(
        "{}: rope_parameters: full_attention: expected rope_type proportional and a "
        "partial_rotary_factor up to 1",
        facts.name());
  }
  constexpr float kStill = 1e30f;
  std::vector<float> divisors(static_cast<size_t>(width / 2), kStill);
  const auto turning = static_cast<size_t>(static_cast<double>(width) * part.number() / 2);
  for (size_t pair = 0; pair < turning; ++pair) divisors[pair] = 1;
  plan.add_values("rope_freqs.weight", std::move(divisors));
  return {};
}

Result<void> more_gemma4(const Facts& facts, Keys& keys, Plan& plan) {
  const auto local = TRY(layers_of_type(facts, "sliding_attention"));
  keys.set_flags("attention.sliding_window_pattern", local);
  TRY(set_lengths(facts, keys));
  TRY(set_global_heads(facts, local, keys));
  TRY(add_still_pairs(facts, plan));
  keys.set_count("embedding_length_per_layer_input",
                 TRY(facts.maybe_count("hidden_size_per_layer_input")).value_or(0));
  const double part = TRY(facts.maybe_number("partial_rotary_factor")).value_or(1);
  keys.set_count("rope.dimension_count_swa",
                 static_cast<int64_t>(part * static_cast<double>(TRY(facts.count("head_dim")))));
  keys.set_general("tokenizer.ggml.add_bos_token", gguf::make_bool(true));
  return {};
}

const Family kGemma4Families[] = {
    {.classes = "Gemma4ForConditionalGeneration Gemma4ForCausalLM",
     .architecture = "gemma4",
     .tensors = kGemma4,
     .more_tensors = straight_rules(),
     .keys = kGemma4Keys,
     .reads_rope_factors = true,
     .vocabulary = "gemma4",
     .more = more_gemma4},
};

}  // namespace

std::span<const Family> gemma4_families() { return kGemma4Families; }

}  // namespace issun::import
