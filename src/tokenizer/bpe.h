// Bpe: byte-pair encoding by a list of merges, on GPT-2's byte characters or (Gemma 4) on plain
// UTF-8.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "tokenizer/merge.h"
#include "tokenizer/presets.h"
#include "tokenizer/pretokenize.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/word_starts.h"

namespace issun::tokenizer {

class Bpe {
 public:
  // `merges` as in tokenizer.ggml.merges: "left right", the most frequent first. The vocabulary
  // outlives the result. Error: a merge that is not two texts.
  static Result<Bpe> create(const Vocabulary& vocabulary, const Preset& preset,
                            const std::vector<std::string_view>& merges);

  // Appends the tokens of a text without special tokens. With spaces_as_marks the text has U+2581
  // for spaces. Bytes that the vocabulary cannot express are left out (see missing_bytes()).
  void encode(std::string_view text, std::vector<Token>& out) const;

  // How many of the 256 bytes have no token.
  int missing_bytes() const;

 private:
  // Symbol ids: tokens, and above them texts that only merges know.
  Bpe(const Vocabulary& vocabulary, const Preset& preset);
  Result<void> add_merge(std::string_view merge, uint32_t rank);
  int32_t intern(std::string_view text);
  int32_t symbol_of(std::string_view text) const;
  struct Scratch;
  void encode_word(std::string_view word, Scratch& scratch, std::vector<Token>& out) const;
  void append_symbol(std::string_view text, int32_t id, std::vector<Token>& out) const;

  const Vocabulary* vocabulary_;
  const Preset* preset_;
  Pretokenizer pretokenizer_;
  std::array<int32_t, 256> byte_symbols_;  // of single bytes, where words are bytes
  std::array<Token, 256> byte_tokens_;     // what a byte becomes when nothing else fits
  std::unordered_map<std::string, int32_t> extra_symbols_;
  WordStarts word_starts_;  // with spaces_as_marks

  // Open addressing from a pair of symbols to what they become; left 0 and right 0 cannot be a free
  // slot, so free slots have left = -1. The size is a power of two.
  struct Slot {
    int32_t left = -1, right = -1;
    Merge merge;
  };
  size_t slot_of(int32_t left, int32_t right) const;
  std::vector<Slot> slots_;
  Token next_made_ = kNoToken;  // while loading: the token after the one that the last merge makes
};

}  // namespace issun::tokenizer
