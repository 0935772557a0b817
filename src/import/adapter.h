// LoRA adapters as PEFT saves them become GGUF adapters.
#pragma once

#include <string>

#include "model/model.h"

namespace issun::import {

// Writes `out` from DIRECTORY/adapter_config.json and adapter_model.safetensors, for that model.
// Error: a kind of adapter or a module that the file could not say, by name.
Result<void> import_adapter(const std::string& directory, const model::Model& model,
                            const std::string& out);

}  // namespace issun::import
