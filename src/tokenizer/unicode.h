// What kind of character a code point is, and what it becomes without accents and in lower case:
// the part of Unicode that tokenizers look at.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace issun::tokenizer {

// The major general categories, numbered as in unicode_classes.inc.
enum class CharClass : uint8_t {
  Letter,
  Number,
  Mark,
  Punctuation,
  Symbol,
  Separator,
  Other,
  Unassigned,
};

CharClass char_class(char32_t code);

// White_Space of Unicode's PropList: what \s means in the patterns of tokenizers.
bool is_whitespace(char32_t code);

// Han as the reference engine counts it: unified ideographs A to F and both compatibility blocks.
bool is_han(char32_t code);

// The first code point of the canonical decomposition (NFD): a letter without its accents, the
// leading consonant of a Hangul syllable, mostly the character itself.
char32_t base_character(char32_t code);

// The simple lower case mapping.
char32_t lower_case(char32_t code);

// One character of a text, or one byte that is none.
struct Char {
  char32_t code;    // U+FFFD for a malformed byte
  uint16_t traits;  // bit i: CharClass i; and the bits below
  uint16_t bytes;   // length in the text
};
constexpr uint16_t kWhitespaceTrait = 1 << 8;
constexpr uint16_t kHanTrait = 1 << 9;
constexpr uint16_t kAnyTrait = 0xFFFF;
constexpr uint16_t trait(CharClass c) { return static_cast<uint16_t>(1 << static_cast<int>(c)); }

// The traits of a code point, quickly for those below U+0800.
uint16_t traits_of(char32_t code);

// `chars` becomes the characters of `text`, in order; a malformed byte stands for itself, so that
// the lengths always add up to text.size().
void read_chars(std::string_view text, std::vector<Char>& chars);

}  // namespace issun::tokenizer
