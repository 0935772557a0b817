// Scripts of characters, as far as pieces of words must not mix them.
#pragma once

#include <cstdint>

namespace issun::train {

// Numbers of Unicode's scripts; only these have names here. Han is all of Japanese: kanji,
// hiragana, katakana and their marks, which SentencePiece does not tell apart either. Punctuation,
// symbols and digits are Common.
enum class Script : uint8_t { Common = 0, Inherited = 1, Han = 2 };

Script script_of(char32_t code);

}  // namespace issun::train
