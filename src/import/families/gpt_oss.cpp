// gpt-oss: experts as MXFP4, whose gates and ups stand in turn.
#include "import/family.h"

namespace issun::import {

namespace {

constexpr TensorRule kGptOss[] = {
    {"embed_tokens", "token_embd"},
    {"norm", "output_norm"},
    {"lm_head", "output"},
    {"layers.#.input_layernorm", "blk.#.attn_norm"},
    {"layers.#.self_attn.v_proj", "blk.#.attn_v"},
    {"layers.#.self_attn.o_proj", "blk.#.attn_output"},
    {"layers.#.self_attn.sinks", "blk.#.attn_sinks"},
    {"layers.#.post_attention_layernorm", "blk.#.post_attention_norm"},
    {"layers.#.mlp.router", "blk.#.ffn_gate_inp"},
    {"layers.#.mlp.experts.gate_up_proj", "blk.#.ffn_gate_exps", Change::EvenRows},
    {"layers.#.mlp.experts.gate_up_proj", "blk.#.ffn_up_exps", Change::OddRows},
    {"layers.#.mlp.experts.down_proj", "blk.#.ffn_down_exps"},
};

constexpr KeyRule kGptOssKeys[] = {
    {"sliding_window", "attention.sliding_window", KeyRule::Count, true},
    {"intermediate_size", "expert_feed_forward_length", KeyRule::Count, true},
};

// Experts as floats are stored the other way round.
Result<void> check_experts(const Facts& facts, Keys&, Plan& plan) {
  for (const PlannedTensor& tensor : plan.tensors) {
    if (!tensor.name.ends_with("_exps.weight") || tensor.parts[0].stored.scales != nullptr) {
      continue;
    }
    return fail("{}: {}: expected MXFP4 blocks with scales, found {}, which cannot be imported",
                facts.name(), tensor.name, tensor.parts[0].stored.codes->type->name);
  }
  return {};
}

const Family kGptOssFamilies[] = {
    {.classes = "GptOssForCausalLM",
     .architecture = "gpt-oss",
     .tensors = kGptOss,
     .more_tensors = straight_rules(),
     .keys = kGptOssKeys,
     .more = check_experts},
};

}  // namespace

std::span<const Family> gpt_oss_families() { return kGptOssFamilies; }

}  // namespace issun::import
