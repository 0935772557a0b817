// Qwen 2 and 3, dense and with experts.
#include "import/family.h"

namespace issun::import {

namespace {

constexpr KeyRule kExpertKeys[] = {
    {"moe_intermediate_size", "expert_feed_forward_length"},
    {"shared_expert_intermediate_size", "expert_shared_feed_forward_length"},
};

const Family kQwenFamilies[] = {
    {.classes = "Qwen2ForCausalLM Qwen2Model",
     .architecture = "qwen2",
     .tensors = decoder_rules(),
     .more_tensors = straight_rules()},
    {.classes = "Qwen3ForCausalLM Qwen3Model",
     .architecture = "qwen3",
     .tensors = decoder_rules(),
     .more_tensors = straight_rules()},
    {.classes = "Qwen2MoeForCausalLM",
     .architecture = "qwen2moe",
     .tensors = decoder_rules(),
     .more_tensors = straight_rules(),
     .most_tensors = expert_rules(),
     .keys = kExpertKeys},
    {.classes = "Qwen3MoeForCausalLM",
     .architecture = "qwen3moe",
     .tensors = decoder_rules(),
     .more_tensors = straight_rules(),
     .most_tensors = expert_rules(),
     .keys = kExpertKeys},
};

}  // namespace

std::span<const Family> qwen_families() { return kQwenFamilies; }

}  // namespace issun::import
