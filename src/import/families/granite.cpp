// Granite 3 and 4: Llama with a scale on everything, dense, with experts, and between state spaces.
#include "import/family.h"

namespace issun::import {

namespace {

constexpr TensorRule kGraniteExperts[] = {
    {"layers.#.block_sparse_moe.router.layer", "blk.#.ffn_gate_inp"},
    {"layers.#.block_sparse_moe.input_linear", "blk.#.ffn_gate_exps", Change::FirstHalf},
    {"layers.#.block_sparse_moe.input_linear", "blk.#.ffn_up_exps", Change::SecondHalf},
    {"layers.#.block_sparse_moe.output_linear", "blk.#.ffn_down_exps"},
    {"layers.#.shared_mlp.input_linear", "blk.#.ffn_gate_shexp", Change::FirstHalf},
    {"layers.#.shared_mlp.input_linear", "blk.#.ffn_up_shexp", Change::SecondHalf},
    {"layers.#.shared_mlp.output_linear", "blk.#.ffn_down_shexp"},
};

constexpr KeyRule kGraniteKeys[] = {
    {"attention_multiplier", "attention.scale", KeyRule::Number},
    {"embedding_multiplier", "embedding_scale", KeyRule::Number},
    {"residual_multiplier", "residual_scale", KeyRule::Number},
    {"logits_scaling", "logit_scale", KeyRule::Number},
    {"shared_intermediate_size", "expert_shared_feed_forward_length"},
};

// Where there are no experts, what all of them share is the dense model's.
Result<void> name_dense(const Facts& facts, Keys& keys, Plan& plan) {
  if (keys.has("expert_count")) return {};
  constexpr std::string_view kShared = "_shexp";
  for (PlannedTensor& tensor : plan.tensors) {
    const size_t at = tensor.name.find(kShared);
    if (at != std::string::npos) tensor.name.erase(at, kShared.size());
  }
  keys.set_count("feed_forward_length", TRY(facts.count("shared_intermediate_size")));
  keys.drop("expert_shared_feed_forward_length");
  return {};
}

Result<void> more_attention_only(const Facts& facts, Keys& keys, Plan& plan) {
  if (facts.get("position_embedding_type").is("nope")) {
    return fail("{}: position_embedding_type: expected rope without state spaces, found nope",
                facts.name());
  }
  TRY(name_dense(facts, keys, plan));
  return rotate_all(facts, keys, plan);
}

// Attention between state spaces knows no positions.
Result<void> more_hybrid(const Facts& facts, Keys& keys, Plan& plan) {
  constexpr int64_t kAnyContext = 1 << 20;
  if (facts.get("position_embedding_type").is("rope")) {
    return fail("{}: position_embedding_type: expected nope beside state spaces, found rope",
                facts.name());
  }
  TRY(name_dense(facts, keys, plan));
  TRY(set_keys(facts, state_space_keys(), keys));
  TRY(set_key_heads(facts, TRY(layers_of_type(facts, "attention")), keys));
  keys.set_count("rope.dimension_count", TRY(head_width(facts)));
  keys.set_flag("rope.scaling.finetuned", false);
  keys.set_count("context_length", kAnyContext);
  keys.set_count("ssm.inner_size",
                 TRY(facts.count("mamba_expand")) * TRY(facts.count("hidden_size")));
  return shape_state_space(facts, TRY(facts.count("mamba_n_groups")), plan);
}

// What GraniteMoeHybrid is without state spaces, dense and with experts.
const Family kAttentionOnly[] = {
    {.classes = "",
     .architecture = "granite",
     .tensors = decoder_rules(),
     .more_tensors = turned_rules(),
     .most_tensors = kGraniteExperts,
     .keys = kGraniteKeys,
     .more = more_attention_only},
    {.classes = "",
     .architecture = "granitemoe",
     .tensors = decoder_rules(),
     .more_tensors = turned_rules(),
     .most_tensors = kGraniteExperts,
     .keys = kGraniteKeys,
     .more = more_attention_only},
};

const Family* choose_hybrid(const Facts& facts);

const Family kGraniteFamilies[] = {
    {.classes = "GraniteForCausalLM",
     .architecture = "granite",
     .tensors = decoder_rules(),
     .more_tensors = turned_rules(),
     .keys = kGraniteKeys,
     .more = rotate_all},
    {.classes = "GraniteMoeForCausalLM GraniteMoeSharedForCausalLM",
     .architecture = "granitemoe",
     .tensors = decoder_rules(),
     .more_tensors = turned_rules(),
     .most_tensors = kGraniteExperts,
     .keys = kGraniteKeys,
     .more = rotate_all},
    {.classes = "GraniteMoeHybridForCausalLM",
     .architecture = "granitehybrid",
     .tensors = decoder_rules(),
     .more_tensors = turned_rules(),
     .most_tensors = kGraniteExperts,
     .further_tensors = state_space_rules(),
     .keys = kGraniteKeys,
     .more = more_hybrid,
     .choose = choose_hybrid},
};

const Family* choose_hybrid(const Facts& facts) {
  for (const Json& kind : facts.get("layer_types").items()) {
    if (!kind.is("attention")) return &kGraniteFamilies[2];
  }
  const Json& experts = facts.get("num_local_experts");
  return &kAttentionOnly[experts.is_integer() && experts.integer() > 0 ? 1 : 0];
}

}  // namespace

std::span<const Family> granite_families() { return kGraniteFamilies; }

}  // namespace issun::import
