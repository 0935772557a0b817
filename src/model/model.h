// A model file, opened: its facts, weights and tokenizer. Opening reads no weights.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "gguf/reader.h"
#include "model/config.h"
#include "model/weights.h"
#include "tokenizer/tokenizer.h"

namespace issun::model {

struct Model {
  gguf::GgufFile file;
  ModelConfig config;
  Weights weights;
  tokenizer::Tokenizer tokenizer;
  std::string chat_template;  // Jinja, as the file has it; empty: the model continues text
  std::vector<gguf::GgufFile> adapters = {};  // whose matrices the weights point to

  // Error: whatever is wrong with the file, its path in front.
  static Result<std::unique_ptr<Model>> open(const std::string& path);
  // From bytes that outlive the model; `name` stands for the path.
  static Result<std::unique_ptr<Model>> from_memory(std::span<const std::byte> bytes,
                                                    const std::string& name);
};

// What holding a model takes, in bytes, known before anything is loaded.
struct MemoryPlan {
  // The file, mapped: shared between processes, given back under pressure. Of a model larger than
  // memory what is held of it at most.
  int64_t weights = 0;
  int64_t cache = 0;    // keys and values of `context` positions
  int64_t working = 0;  // activations, logits, scratch of the workers
  int64_t program =
      0;  // the program itself and the tables of the vocabulary: measured, once the model is open
  int64_t total() const { return weights + cache + working + program; }
};

}  // namespace issun::model
