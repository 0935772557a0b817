// A vocabulary of any size for models without one: byte-level BPE that reads any text, about four
// letters a token.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "import/keys.h"

namespace issun::measure {

// 256 bytes, then runs of two, three and four letters with the merges that build them, then special
// tokens laid out as in Llama 3: begin of text first, end of turn tenth.
struct SyntheticVocabulary {
  std::vector<std::string> tokens;  // in GPT-2's alphabet for bytes
  std::vector<int32_t> kinds;       // tokenizer.ggml.token_type
  std::vector<std::string> merges;  // "th e"
  int32_t bos = 0, eos = 0;
};

constexpr int kSpecialTokens = 256;
constexpr int kSmallestVocabulary = 256 + kSpecialTokens;

// Error: fewer than kSmallestVocabulary tokens, or more than there are runs of four letters.
Result<SyntheticVocabulary> make_vocabulary(int size);

// The keys of the tokenizer.
void set_vocabulary_keys(const SyntheticVocabulary& vocabulary, import::Keys& keys);

}  // namespace issun::measure
