// Charsmap: SentencePiece's precompiled normalisation (NFKC and what else a model's makers chose):
// texts of a few characters and what each becomes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tokenizer/prefix_tree.h"

namespace issun::tokenizer {

class Charsmap {
 public:
  Charsmap() = default;  // changes nothing

  // The bytes of tokenizer.ggml.precompiled_charsmap: the size of a double array, little-endian,
  // that array, and zero-terminated replacements. Error: an array with a cycle or with more
  // than 2^20 nodes, a text longer than 64 bytes, a replacement outside the bytes or longer than
  // 256.
  static Result<Charsmap> parse(std::span<const uint8_t> bytes);

  // The longest text at text[at] that is replaced: its length, 0 if there is none, and by what.
  struct Match {
    size_t bytes = 0;
    std::string_view replacement;
  };
  Match longest_at(std::string_view text, size_t at) const;

 private:
  std::string replacements_;
  PrefixTree texts_;  // the value is where the replacement starts
};

}  // namespace issun::tokenizer
