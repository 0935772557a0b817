// Words as BERT's authors cut a text: cleaned of what has no shape, in lower case and without
// accents where the model wants that, ideographs and punctuation by themselves.
#pragma once

#include <string>
#include <string_view>

#include "base/utf8.h"
#include "tokenizer/unicode.h"

namespace issun::tokenizer {

struct WordRules {
  enum class Punctuation { Within, Ascii, All };  // which is a word by itself
  bool lower_case = true, strip_accents = true;
  Punctuation punctuation = Punctuation::All;
};

// Whether a character with these traits is a word by itself.
bool is_word(char32_t code, uint16_t traits, WordRules::Punctuation punctuation);

// Calls take(word) for every word in order; it may change the word.
template <class Take>
void each_word(std::string_view text, const WordRules& rules, Take&& take) {
  std::string word;
  const auto end_word = [&] {
    if (!word.empty()) take(word);
    word.clear();
  };
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    at += static_cast<size_t>(c.bytes);
    const char32_t code = rules.strip_accents ? base_character(c.code) : c.code;
    const uint16_t traits = traits_of(code);
    if (traits & kWhitespaceTrait) {
      end_word();
      continue;
    }
    if (code == 0 || code == kReplacementCharacter || (traits & trait(CharClass::Other))) continue;
    if (rules.strip_accents && (traits & trait(CharClass::Mark))) continue;
    const bool alone = is_word(code, traits, rules.punctuation);
    if (alone) end_word();
    append_utf8(rules.lower_case ? lower_case(code) : code, word);
    if (alone) end_word();
  }
  end_word();
}

}  // namespace issun::tokenizer
