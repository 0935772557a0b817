// Llama and those that are named and rotated like it: Mistral, Mixtral, SmolLM, Granite.
#include "import/family.h"

namespace issun::import {

namespace {

constexpr TensorRule kMixtralExperts[] = {
    {"layers.#.block_sparse_moe.gate", "blk.#.ffn_gate_inp"},
    {"layers.#.block_sparse_moe.experts.#.w1", "blk.#.ffn_gate_exps"},
    {"layers.#.block_sparse_moe.experts.#.w2", "blk.#.ffn_down_exps"},
    {"layers.#.block_sparse_moe.experts.#.w3", "blk.#.ffn_up_exps"},
};

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

Result<void> rotate_all(const Facts& facts, Keys& keys, Plan& plan) {
  keys.set_count("rope.dimension_count", TRY(head_width(facts)));
  return add_llama3_factors(facts, plan);
}

const Family kFamilies[] = {
    {.classes = "LlamaForCausalLM LLaMAForCausalLM LlamaModel MistralForCausalLM "
                "MixtralForCausalLM",
     .architecture = "llama",
     .tensors = decoder_rules(),
     .more_tensors = turned_rules(),
     .most_tensors = kMixtralExperts,
     .more = rotate_all},
    {.classes = "SmolLM3ForCausalLM",
     .architecture = "smollm3",
     .tensors = decoder_rules(),
     .more_tensors = turned_rules(),
     .more = rotate_all},
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
};

}  // namespace

std::span<const Family> llama_families() { return kFamilies; }

}  // namespace issun::import
