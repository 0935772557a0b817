// What training leaves behind as files: the whole network, or the adapters beside it.
#pragma once

#include <optional>
#include <string>

#include "gguf/reader.h"
#include "train/parameters.h"

namespace issun::train {

struct NetworkFileOptions {
  DType type = DType::F16;
  std::optional<std::string> chat_template = {};  // in place of the source's
};

// Writes the network with the numbers of `parameters` in place of those of `source`, whose keys are
// kept but for those that the options name. Matrices become `type` where their rows are whole
// blocks of it, and F32 otherwise; vectors stay F32; tensors that were not trained stay as they
// are. Error: a type that cannot be written; a number that is none, by tensor and row; the disk.
Result<void> write_network(const gguf::GgufFile& source, const Parameters& parameters,
                           const NetworkFileOptions& options, const std::string& path);

// Writes adapters as GGUF adapters hold them: pairs NAME.lora_a and NAME.lora_b, and their alpha.
Result<void> write_adapters(const gguf::GgufFile& base, const Parameters& parameters, double alpha,
                            const std::string& path);

}  // namespace issun::train
