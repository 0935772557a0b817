// Llama and those that are named and rotated like it: Mistral and Ministral 3, Mixtral, SmolLM.
#include "import/family.h"

namespace issun::import {

namespace {

constexpr TensorRule kMixtralExperts[] = {
    {"layers.#.block_sparse_moe.gate", "blk.#.ffn_gate_inp"},
    {"layers.#.block_sparse_moe.experts.#.w1", "blk.#.ffn_gate_exps"},
    {"layers.#.block_sparse_moe.experts.#.w2", "blk.#.ffn_down_exps"},
    {"layers.#.block_sparse_moe.experts.#.w3", "blk.#.ffn_up_exps"},
};

// Mistral Small 3 rotates plainly; Ministral 3 stretches, and sharpens far positions.
Result<void> more_mistral3(const Facts& facts, Keys& keys, Plan& plan) {
  TRY(rotate_all(facts, keys, plan));
  const Json& kind = facts.get("model_type");
  if (kind.is("mistral") || kind.is("mistral3")) return {};
  if (!kind.is("ministral3")) {
    return fail("{}: model_type: expected mistral or ministral3 as the text's", facts.name());
  }
  const Json& rope = facts.get("rope_parameters|rope_scaling");
  const Json &all = rope["mscale_all_dim"], &growth = rope["llama_4_scaling_beta"];
  if (!keys.has("rope.scaling.type") || !all.is_number() || !growth.is_number()) {
    return fail("{}: rope_parameters: expected yarn with mscale_all_dim and llama_4_scaling_beta",
                facts.name());
  }
  keys.set_number("rope.scaling.yarn_log_multiplier", all.number());
  keys.set_number("attention.temperature_scale", growth.number());
  return {};
}

const Family kLlamaFamilies[] = {
    {.classes = "LlamaForCausalLM LLaMAForCausalLM LlamaModel MistralForCausalLM "
                "MixtralForCausalLM",
     .architecture = "llama",
     .tensors = decoder_rules(),
     .more_tensors = turned_rules(),
     .most_tensors = kMixtralExperts,
     .more = rotate_all},
    {.classes = "Mistral3ForConditionalGeneration Ministral3ForCausalLM",
     .architecture = "mistral3",
     .tensors = decoder_rules(),
     .more_tensors = turned_rules(),
     .more = more_mistral3},
    {.classes = "SmolLM3ForCausalLM",
     .architecture = "smollm3",
     .tensors = decoder_rules(),
     .more_tensors = turned_rules(),
     .more = rotate_all},
};

}  // namespace

std::span<const Family> llama_families() { return kLlamaFamilies; }

}  // namespace issun::import
