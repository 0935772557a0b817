// How JSON writes the characters of a string: UTF-8 and escapes, byte by byte.
#pragma once

#include <array>
#include <cstdint>

#include "grammar/dfa.h"

namespace issun::grammar {

// Where between two characters a text stands. Plain: between them.
enum class SpellingMode : uint32_t {
  Plain,
  Tail1,  // so many bytes of a UTF-8 sequence are missing
  Tail2,
  Tail3,
  Known1,  // the same, but what the character leads to is known already: `value`
  Known2,
  Known3,
  Escape,  // after a backslash
  Hex1,    // so many digits of \uXXXX are missing
  Hex2,
  Hex3,
  Hex4,
  High,   // after the first half of a surrogate pair
  HighU,  // and its backslash
  Low1,
  Low2,
  Low3,
  Low4,
};

struct Spelling {
  SpellingMode mode = SpellingMode::Plain;
  uint32_t value = 0;  // of the part that was read
};

struct SpellingStep {
  enum class Kind { Refused, Inside, Character, Known, Quote };
  Kind kind = Kind::Refused;
  Spelling next = {};      // Inside
  char32_t character = 0;  // Character
  // Inside: what the character may become.
  std::array<Range, 3> possible = {};
  int ranges = 0;
  // Inside: every continuation byte may follow, so that only the number of them need be kept.
  bool regular = false;
};

SpellingStep spell(Spelling at, uint8_t byte);

// The mode that remembers what the character leads to in place of its bits.
SpellingMode known_mode(SpellingMode tail);

}  // namespace issun::grammar
