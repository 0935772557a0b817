// Spm: SentencePiece's merging vocabularies (Llama 2, Gemma, Phi-3): neighbours merge when together
// they are a token, the best score first; what is no token falls back to bytes.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/merge.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/word_starts.h"

namespace issun::tokenizer {

class Spm {
 public:
  // The vocabulary outlives the result. `unknown` (or kNoToken) stands for what nothing else
  // expresses. Error: a vocabulary without scores.
  static Result<Spm> create(const Vocabulary& vocabulary, Token unknown);

  // Appends the tokens of a text that has U+2581 for spaces and no special tokens.
  void encode(std::string_view text, std::vector<Token>& out) const;

  // How many of the 256 bytes neither have a token nor become the unknown one.
  int missing_bytes() const;

 private:
  Spm(const Vocabulary& vocabulary, Token unknown);
  void append_bytes(std::string_view text, std::vector<Token>& out) const;
  Token byte_token(char byte) const;

  const Vocabulary* vocabulary_;
  Token unknown_;
  // Of tokens: the higher the score the lower the rank; Merge::kNone of those no text merges to.
  std::vector<uint32_t> ranks_;
  WordStarts word_starts_;
};

}  // namespace issun::tokenizer
