// Other people's model files become GGUF files: Hugging Face directories (config.json, safetensors,
// tokenizer) and the .bin files of llama2.c. Memory stays bounded: rows go from the mapped source
// to the file.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "tensor/dtype.h"

namespace issun::import {

struct ImportOptions {
  // Of matrices; nullopt: as stored. Vectors, norms and routers are F32 always.
  std::optional<DType> type;
  std::string tokenizer;  // a tokenizer.bin or tokenizer.model; empty: the one beside the weights
  std::string pre;        // the splitter of words, where the tokenizer's rules are not recognised
  std::function<void(int64_t done_bytes, int64_t total_bytes)> progress = {};
};

struct ImportReport {
  std::string architecture;
  int tensors = 0;
  int64_t weight_bytes = 0;
  std::vector<std::string> notes;  // what a person should know of the result
};

// Whether `path` is something that import_model() reads: a directory with a config.json, or a
// llama2.c file by its ending .bin.
bool is_importable(const std::string& path);

// Writes `out`, whole or not at all. Error: anything in the source that the file could not say, by
// name.
Result<ImportReport> import_model(const std::string& source, const std::string& out,
                                  const ImportOptions& options);

// Bytes of the tensors that import_model() would write.
Result<int64_t> imported_bytes(const std::string& source, const ImportOptions& options);

}  // namespace issun::import
