// DeepSeek-V2 and V3: keys and values come out of one small vector of each token.
#include <cmath>

#include "import/family.h"

namespace issun::import {

namespace {

constexpr TensorRule kLatent[] = {
    {"layers.#.self_attn.q_proj", "blk.#.attn_q"},
    {"layers.#.self_attn.q_a_proj", "blk.#.attn_q_a"},
    {"layers.#.self_attn.q_a_layernorm", "blk.#.attn_q_a_norm"},
    {"layers.#.self_attn.q_b_proj", "blk.#.attn_q_b"},
    {"layers.#.self_attn.kv_a_proj_with_mqa", "blk.#.attn_kv_a_mqa"},
    {"layers.#.self_attn.kv_a_layernorm", "blk.#.attn_kv_a_norm"},
    {"layers.#.self_attn.kv_b_proj", "blk.#.attn_k_b", Change::ByFamily},
    {"layers.#.self_attn.kv_b_proj", "blk.#.attn_v_b", Change::ByFamily},
};
constexpr TensorRule kDeepSeekExperts[] = {
    {"layers.#.mlp.gate", "blk.#.ffn_gate_inp"},
    {"layers.#.mlp.gate.e_score_correction", "blk.#.exp_probs_b"},
    {"layers.#.mlp.experts.#.gate_proj", "blk.#.ffn_gate_exps"},
    {"layers.#.mlp.experts.#.up_proj", "blk.#.ffn_up_exps"},
    {"layers.#.mlp.experts.#.down_proj", "blk.#.ffn_down_exps"},
    {"layers.#.mlp.shared_experts.gate_proj", "blk.#.ffn_gate_shexp"},
    {"layers.#.mlp.shared_experts.up_proj", "blk.#.ffn_up_shexp"},
    {"layers.#.mlp.shared_experts.down_proj", "blk.#.ffn_down_shexp"},
};

constexpr KeyRule kDeepSeekKeys[] = {
    {"kv_lora_rank", "attention.kv_lora_rank", KeyRule::Count, true},
    {"qk_rope_head_dim", "rope.dimension_count", KeyRule::Count, true},
    {"v_head_dim", "attention.value_length_mla", KeyRule::Count, true},
    {"kv_lora_rank", "attention.value_length", KeyRule::Count, true},
    {"first_k_dense_replace", "leading_dense_block_count"},
    {"moe_intermediate_size|intermediate_size", "expert_feed_forward_length"},
    {"routed_scaling_factor", "expert_weights_scale", KeyRule::Number},
    {"norm_topk_prob", "expert_weights_norm", KeyRule::Flag},
};

// Where the rows of one head lie in kv_b_proj: those of keys, then those of values.
struct HeadRows {
  int64_t heads, keys, values;
};

// For each head its keys' rows turned, so that the small vector stays and the query changes.
Result<void> split_latent(const HeadRows& rows, PlannedTensor& tensor) {
  const bool keys = tensor.name.ends_with("attn_k_b.weight");
  if (!keys && !tensor.name.ends_with("attn_v_b.weight")) return {};
  const Scaled stored = tensor.parts[0].stored;
  const int64_t each = rows.keys + rows.values;
  if (tensor.size.size() != 2 || tensor.size[1] / each != rows.heads ||
      tensor.size[1] % each != 0) {
    return fail("{}: expected {} heads of {} + {} rows, found {}", stored.codes->name, rows.heads,
                rows.keys, rows.values, tensor.size.size() == 2 ? tensor.size[1] : 1);
  }
  const int64_t rank = tensor.size[0];
  tensor.parts.clear();
  for (int64_t h = 0; h < rows.heads; ++h) {
    tensor.parts.push_back(keys ? Part{stored, h * each, rank}
                                : Part{stored, h * each + rows.keys, rows.values});
  }
  tensor.change = keys ? Change::Transposed : Change::None;
  tensor.columns = keys ? rows.keys : rank;
  tensor.size = {tensor.columns, keys ? rank : rows.values, rows.heads};
  return {};
}

Result<void> refuse_groups(const Facts& facts) {
  if (TRY(facts.maybe_count("n_group")).value_or(1) > 1) {
    return fail("{}: n_group: expected one group of experts, found more, which cannot be imported",
                facts.name());
  }
  if (TRY(facts.maybe_count("moe_layer_freq")).value_or(1) != 1) {
    return fail("{}: moe_layer_freq: expected experts in every layer, 1", facts.name());
  }
  return {};
}

// A file says once by how much stretched contexts sharpen the scores.
Result<void> set_sharpness(const Facts& facts, Keys& keys) {
  const Json& scaling = facts.get("rope_parameters|rope_scaling");
  const Json& all = scaling["mscale_all_dim"];
  if (!all.is_number()) return {};
  const Json& own = scaling["mscale"];
  if (own.is_number() && std::abs(own.number() - all.number()) > 1e-6) {
    return fail("{}: rope_scaling: mscale: expected mscale_all_dim, {}, found {}", facts.name(),
                all.number(), own.number());
  }
  keys.set_number("rope.scaling.yarn_log_multiplier", 0.1 * all.number());
  return {};
}

Result<void> set_gate(const Facts& facts, Keys& keys) {
  const Json& kind = facts.get("scoring_func");
  if (kind.is("softmax")) {
    keys.set_count("expert_gating_func", 1);
  } else if (kind.is("sigmoid")) {
    keys.set_count("expert_gating_func", 2);
  } else {
    return fail("{}: scoring_func: expected softmax or sigmoid", facts.name());
  }
  return {};
}

Result<void> more_deepseek(const Facts& facts, Keys& keys, Plan& plan) {
  TRY(refuse_groups(facts));
  TRY(set_sharpness(facts, keys));
  TRY(set_gate(facts, keys));
  const int64_t turned = TRY(facts.count("qk_rope_head_dim"));
  HeadRows rows{TRY(facts.count("num_attention_heads")), TRY(facts.count("qk_nope_head_dim")),
                TRY(facts.count("v_head_dim"))};
  if (rows.heads < 1 || rows.heads > 4096 || rows.keys < 1 || rows.values < 1) {
    return fail("{}: qk_nope_head_dim, v_head_dim: expected at least 1, and up to 4096 heads",
                facts.name());
  }
  for (PlannedTensor& tensor : plan.tensors) TRY(split_latent(rows, tensor));
  // All heads share what the file keeps of a token.
  keys.set_count("attention.head_count_kv", 1);
  keys.set_count("attention.key_length", TRY(facts.count("kv_lora_rank")) + turned);
  keys.set_count("attention.key_length_mla", rows.keys + turned);
  keys.set_count("attention.q_lora_rank", TRY(facts.maybe_count("q_lora_rank")).value_or(0));
  keys.set_count("expert_shared_count", TRY(facts.maybe_count("n_shared_experts")).value_or(0));
  return {};
}

const Family kDeepSeekFamilies[] = {
    {.classes = "DeepseekV2ForCausalLM DeepseekV3ForCausalLM",
     .architecture = "deepseek2",
     .tensors = decoder_rules(),
     .more_tensors = kLatent,
     .most_tensors = kDeepSeekExperts,
     .keys = kDeepSeekKeys,
     .defaults = R"({"rms_norm_eps": 1e-6, "first_k_dense_replace": 0})",
     .more = more_deepseek},
};

}  // namespace

std::span<const Family> deepseek_families() { return kDeepSeekFamilies; }

}  // namespace issun::import
