// LoRA adapters: low-rank products beside the matrices of a model, which stay as they are in the
// file. Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021, equation 3.
#pragma once

#include <string_view>

#include "gguf/reader.h"
#include "gguf/writer.h"
#include "model/model.h"

namespace issun::model {

// Adds scale * alpha / rank * B A to each matrix that `file` (general.type "adapter") names with
// NAME.lora_a and NAME.lora_b. May be called for several files; before a Forward is made. `name`
// stands in error messages. Error, with the model as it was: another architecture, a tensor that
// the model lacks or whose shape differs, and what cannot be added to: embeddings, norms, experts.
Result<void> add_adapter(Model& model, gguf::GgufFile file, std::string_view name, float scale);

// What a file says of itself that add_adapter() takes.
Result<void> write_adapter_keys(std::string_view architecture, double alpha,
                                gguf::GgufWriter& writer);

}  // namespace issun::model
