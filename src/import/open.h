// Opens whatever a person has: a GGUF file as it is, anything importable by way of a temporary one.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "model/model.h"

namespace issun::import {

using Say = std::function<void(const std::string& sentence)>;

// A GGUF file, or what import_model() reads: imported then, weights as stored, into a temporary
// file that is gone when the model is. `say` is told how long that took. Error: as
// model::Model::open and import_model(); and weights larger than the memory that is free, with the
// command that imports them for good.
Result<std::unique_ptr<model::Model>> open_model(const std::string& path, const Say& say);

// Adds a LoRA adapter to the model: a GGUF file, or a directory with adapter_config.json and
// adapter_model.safetensors (as PEFT saves them).
Result<void> add_adapter(model::Model& model, const std::string& path, float scale);

}  // namespace issun::import
