// Charsmap: SentencePiece's precompiled normalisation (NFKC and what else a model's makers chose):
// texts of a few characters and what each becomes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/utf8.h"
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

  // Calls append(part) for the parts of what the map makes of a text: replacements, characters as
  // they are, and U+FFFD for malformed bytes.
  template <class Append>
  void replace(std::string_view text, Append&& append) const {
    for (size_t at = 0; at < text.size();) {
      if (const Match match = longest_at(text, at); match.bytes > 0) {
        append(match.replacement);
        at += match.bytes;
        continue;
      }
      const Utf8Char c = decode_utf8(text, at);
      const bool valid = c.state == Utf8::Valid;
      const size_t bytes = valid ? static_cast<size_t>(c.bytes) : 1;
      append(valid ? text.substr(at, bytes) : "\uFFFD");
      at += bytes;
    }
  }

 private:
  std::string replacements_;
  PrefixTree texts_;  // the value is where the replacement starts
};

}  // namespace issun::tokenizer
