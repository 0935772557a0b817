// A model read so far that it only has to be written: keys, and a plan over mapped weights.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "import/import.h"
#include "import/keys.h"
#include "import/plan.h"
#include "import/vocabulary.h"

namespace issun::import {

struct Prepared {
  explicit Prepared(std::string_view architecture) : keys(architecture) {}
  Keys keys;
  Plan plan;
  safetensors::SafetensorsSet stored;               // what the plan points into, of a directory
  std::deque<safetensors::SafetensorsSet> modules;  // behind the pooling
  MappedFile file;                                  // and of llama2.c
  std::deque<StoredTensor> pieces;                  // of the file
  std::vector<std::string> notes;
};

// A Hugging Face directory.
Result<std::unique_ptr<Prepared>> prepare_folder(const std::string& directory,
                                                 const ImportOptions& options);
// The facts and tensors of a llama2.c file, version 0: a header of seven numbers, then float32. The
// bytes outlive `prepared`. Returns the number of tokens.
Result<int64_t> read_llama2c(std::span<const std::byte> bytes, Prepared& prepared);
// The same with its tokenizer, and named.
Result<std::unique_ptr<Prepared>> prepare_llama2c(const std::string& path,
                                                  const ImportOptions& options);

// "stories" of "/models/stories.bin".
std::string plain_name(std::string path);

// The vocabulary's keys, with tokens for all rows of the embedding. Error: it has fewer rows.
Result<void> add_vocabulary(Vocabulary vocabulary, Prepared& prepared);

}  // namespace issun::import
