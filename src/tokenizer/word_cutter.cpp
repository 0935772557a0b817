#include "tokenizer/word_cutter.h"

#include <algorithm>
#include <iterator>

namespace issun::tokenizer {
namespace {

// Chinese characters as BERT's authors list them, each of which is a word; with the slip of the
// most used implementation, which leaves out U+2B820 to U+2B91F.
bool is_ideograph(char32_t code) {
  constexpr char32_t kBlocks[][2] = {{0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},
                                     {0x20000, 0x2A6DF}, {0x2A700, 0x2B81F}, {0x2B920, 0x2CEAF},
                                     {0x2F800, 0x2FA1F}};
  return std::any_of(std::begin(kBlocks), std::end(kBlocks),
                     [&](const auto& block) { return code >= block[0] && code <= block[1]; });
}

}  // namespace

bool is_word(char32_t code, uint16_t traits, WordRules::Punctuation punctuation) {
  const uint16_t marks = trait(CharClass::Punctuation) | trait(CharClass::Symbol);
  if (code < 0x7F) {
    return punctuation != WordRules::Punctuation::Within && (traits & marks) != 0;
  }
  const bool all = punctuation == WordRules::Punctuation::All;
  return (all && (traits & trait(CharClass::Punctuation)) != 0) || is_ideograph(code);
}

}  // namespace issun::tokenizer
