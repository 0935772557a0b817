#include "tokenizer/byte_chars.h"

#include <array>

#include "base/utf8.h"

namespace issun::tokenizer {
namespace {

constexpr char32_t kChars = 0x144;  // all are below

struct Alphabet {
  std::array<std::string, 256> chars;
  std::array<int16_t, kChars> bytes;
};

const Alphabet& alphabet() {
  static const Alphabet table = [] {
    Alphabet a;
    a.bytes.fill(-1);
    char32_t spare = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      const bool printable = (byte > 0x20 && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD);
      const char32_t code = printable ? static_cast<char32_t>(byte) : spare++;
      append_utf8(code, a.chars[static_cast<size_t>(byte)]);
      a.bytes[code] = static_cast<int16_t>(byte);
    }
    return a;
  }();
  return table;
}

}  // namespace

std::string_view char_of_byte(uint8_t byte) { return alphabet().chars[byte]; }

void append_bytes_of_chars(std::string_view text, std::string& out) {
  const auto& bytes = alphabet().bytes;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    const auto length = static_cast<size_t>(c.bytes);
    if (c.code < kChars && bytes[c.code] >= 0) {
      out.push_back(static_cast<char>(bytes[c.code]));
    } else {
      out.append(text, at, length);
    }
    at += length;
  }
}

}  // namespace issun::tokenizer
