// UTF-8: one character in, one character out, and what to do with bytes that are neither.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace issun {

constexpr char32_t kReplacementCharacter = 0xFFFD;
constexpr std::string_view kByteOrderMark = "\uFEFF";

enum class Utf8 {
  Valid,
  Malformed,  // no bytes that could follow make this a character
  Truncated,  // the text ends inside what may still become a character
};

struct Utf8Char {
  char32_t code = kReplacementCharacter;  // U+FFFD unless Valid
  // Bytes it takes, at least 1. Malformed or Truncated: the longest start of a character that
  // stands there ("maximal subpart", Unicode 15 table 3-8), for which one U+FFFD stands.
  int bytes = 1;
  Utf8 state = Utf8::Malformed;
};

// The character at `at`, which is below text.size(). Overlong forms, surrogates and numbers above
// U+10FFFF are malformed.
Utf8Char decode_utf8(std::string_view text, size_t at);

// Bytes of a character that starts with `lead`; 0 when no character starts so.
int utf8_width(unsigned char lead);

// `code` is at most U+10FFFF.
void append_utf8(char32_t code, std::string& out);

bool valid_utf8(std::string_view text);

// The text with one U+FFFD for each malformed part.
std::string repaired_utf8(std::string_view text);

// A to Z as a to z, and all else as it is.
std::string lower_ascii(std::string_view text);

}  // namespace issun
