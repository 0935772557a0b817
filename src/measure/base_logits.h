// What a model says of a text, kept to hold many others against it: those of a search one after
// another, or, in a file, those that do not fit into memory beside it.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/memory.h"
#include "base/result.h"
#include "base/threads.h"
#include "measure/windows.h"
#include "tensor/dtype.h"
#include "tokenizer/tokenizer.h"

namespace issun::measure {

struct Reading {
  model::Decoder& decoder;
  cache::PagedKv& cache;  // holds a window; empty again at the end
};

// (scored tokens, vocabulary) in F32; or in F16, half of that, less the largest of the row. Their
// rounding counts as the base's own word: it moves the divergence of a token by some 2e-4 of itself
// either way, a mean by less, and makes some 1e-6 nats of none.
class BaseLogits {
 public:
  // Bytes of the rows: tell it before there are too many.
  static int64_t planned_bytes(int64_t scored, int vocabulary, DType type);
  // type: F32 or F16. progress(done, total): scored tokens, after each window. Error: as
  // plan_windows, a token outside the vocabulary, no room in the cache, or memory that cannot be
  // had.
  static Result<BaseLogits> record(
      const Reading& base, Workers& workers, std::vector<int32_t> tokens,
      const WindowOptions& options, DType type,
      const std::function<void(int64_t done, int64_t total)>& progress = nullptr);

  // A file of the format in docs/evaluation.md. vocabulary_hash: of what the tokens mean; about:
  // words for people, at most 64 KiB, kept as they are. The rows stay in the file, mapped.
  Result<void> save(const std::string& path, uint64_t vocabulary_hash,
                    const std::string& about) const;
  static Result<BaseLogits> load(const std::string& path);
  uint64_t vocabulary_hash() const { return vocabulary_hash_; }  // of a loaded one
  const std::string& about() const { return about_; }
  Result<void> still_whole() const { return file_.still_whole(); }

  int64_t rows() const { return rows_; }
  int vocabulary() const { return vocabulary_; }
  DType type() const { return type_; }
  std::span<const int32_t> tokens() const { return tokens_; }
  const WindowOptions& options() const { return options_; }
  std::span<const Window> windows() const { return windows_; }
  // out: (vocabulary).
  void read_row(int64_t row, std::span<float> out) const;

 private:
  void write_row(int64_t row, std::span<const float> logits);
  const std::byte* row_bytes_at(int64_t row) const;

  std::vector<int32_t> tokens_;
  WindowOptions options_;
  std::vector<Window> windows_;
  int64_t rows_ = 0;
  int vocabulary_ = 0;
  DType type_ = DType::F32;
  AlignedBuffer buffer_;     // of a recorded one
  MappedFile file_;          // of a loaded one
  int64_t file_offset_ = 0;  // of its rows
  uint64_t vocabulary_hash_ = 0;
  std::string about_;
};

// XXH64 of the texts of all tokens, in order.
uint64_t vocabulary_hash(const tokenizer::Tokenizer& tokenizer);

}  // namespace issun::measure
