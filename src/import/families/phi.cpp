// Phi-2, and Phi-3 to Phi-4 with fused projections and long contexts by factors.
#include <cmath>

#include "gguf/value.h"
#include "import/family.h"

namespace issun::import {

namespace {

constexpr TensorRule kPhi2[] = {
    {"embed_tokens", "token_embd"},
    {"final_layernorm", "output_norm"},
    {"lm_head", "output"},
    {"layers.#.input_layernorm", "blk.#.attn_norm"},
    {"layers.#.self_attn.q_proj", "blk.#.attn_q"},
    {"layers.#.self_attn.k_proj", "blk.#.attn_k"},
    {"layers.#.self_attn.v_proj", "blk.#.attn_v"},
    {"layers.#.self_attn.dense", "blk.#.attn_output"},
    {"layers.#.mlp.fc1", "blk.#.ffn_up"},
    {"layers.#.mlp.fc2", "blk.#.ffn_down"},
};

constexpr TensorRule kPhi3[] = {
    {"layers.#.self_attn.qkv_proj", "blk.#.attn_qkv"},
    {"layers.#.mlp.gate_up_proj", "blk.#.ffn_up"},  // gate, then up: fused in the file too
};

constexpr KeyRule kPhi3Keys[] = {
    {"original_max_position_embeddings", "rope.scaling.original_context_length"},
};

Result<void> more_phi2(const Facts& facts, Keys& keys, Plan&) {
  keys.set_general("tokenizer.ggml.add_bos_token", gguf::make_bool(false));
  return set_rotated_part(facts, keys);
}

Result<std::vector<float>> factors(const Facts& facts, const char* name, size_t count) {
  std::vector<float> numbers;
  for (const Json& item : facts.get("rope_parameters|rope_scaling")[name].items()) {
    if (item.is_number()) numbers.push_back(static_cast<float>(item.number()));
  }
  if (numbers.size() == count) return numbers;
  return fail("{}: rope_scaling: {}: expected {} numbers, found {}", facts.name(), name, count,
              numbers.size());
}

Result<void> more_phi3(const Facts& facts, Keys& keys, Plan& plan) {
  TRY(set_rotated_part(facts, keys));
  keys.set_count("attention.sliding_window", TRY(facts.maybe_count("sliding_window")).value_or(0));
  const Json& scaling = facts.get("rope_parameters|rope_scaling");
  if (!scaling.has("long_factor")) return {};
  const double longest = TRY(facts.number("max_position_embeddings"));
  const double trained = TRY(facts.number("original_max_position_embeddings"));
  if (!(trained > 1)) {
    return fail("{}: original_max_position_embeddings: expected more than 1", facts.name());
  }
  const double stretch = longest / trained;
  keys.set_number("rope.scaling.attn_factor",
                  stretch > 1 ? std::sqrt(1 + std::log(stretch) / std::log(trained)) : 1);
  const double part = TRY(facts.maybe_number("partial_rotary_factor")).value_or(1);
  const auto pairs = static_cast<size_t>(part * static_cast<double>(TRY(head_width(facts)))) / 2;
  plan.add_values("rope_factors_long.weight", TRY(factors(facts, "long_factor", pairs)));
  plan.add_values("rope_factors_short.weight", TRY(factors(facts, "short_factor", pairs)));
  return {};
}

const Family kPhiFamilies[] = {
    {.classes = "PhiForCausalLM", .architecture = "phi2", .tensors = kPhi2, .more = more_phi2},
    {.classes = "Phi3ForCausalLM",
     .architecture = "phi3",
     .tensors = decoder_rules(),
     .more_tensors = kPhi3,
     .keys = kPhi3Keys,
     .reads_rope_factors = true,
     .more = more_phi3},
};

}  // namespace

std::span<const Family> phi_families() { return kPhiFamilies; }

}  // namespace issun::import
