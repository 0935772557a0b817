// TrainingText: what a tokenizer learns from, in chunks that many threads can read.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/threads.h"
#include "tokenizer/charsmap.h"

namespace issun::train {

struct TextOptions {
  // Text files, .jsonl files whose lines are objects with a "text", and folders, in which all
  // .txt, .md and .jsonl files count, also in the folders below.
  std::vector<std::string> inputs;
  int64_t sample_bytes = 0;  // about so many, chosen evenly; 0: all
  uint64_t seed = 1;         // of that choice
};

class TrainingText {
 public:
  // Error: an input that cannot be read, a folder without such files, a line of a .jsonl file that
  // is no object with a "text", text that is no UTF-8 (with the file and the byte), no text at all.
  static Result<TrainingText> open(const TextOptions& options, Workers& workers);

  // Chunks end where a line does, if one does within kChunkBytes, and never inside a character:
  // they do not depend on the number of workers.
  const std::vector<std::string_view>& chunks() const { return chunks_; }
  int64_t bytes() const;
  int files() const { return files_; }

  // Replaces all text by what the map makes of it.
  void normalise(const tokenizer::Charsmap& map, Workers& workers);

  static constexpr int64_t kChunkBytes = 256 << 10;

 private:
  friend class TextReader;
  std::deque<std::string> texts_;  // what the chunks are views of
  std::vector<std::string_view> chunks_;
  int files_ = 0;
};

}  // namespace issun::train
