#include "tokenizer/unicode.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "base/utf8.h"

namespace issun::tokenizer {
namespace {

constexpr uint32_t kClassStarts[] = {
#include "tokenizer/unicode_table.inc"
};

uint16_t find_traits(char32_t code) {
  uint16_t traits = trait(char_class(code));
  if (is_whitespace(code)) traits |= kWhitespaceTrait;
  if (is_han(code)) traits |= kHanTrait;
  return traits;
}

// Latin, Greek, Cyrillic, Arabic and their neighbours: looked up, not searched.
constexpr char32_t kNear = 0x800;
const std::array<uint16_t, kNear>& near_traits() {
  static const std::array<uint16_t, kNear> table = [] {
    std::array<uint16_t, kNear> traits{};
    for (char32_t code = 0; code < kNear; ++code) traits[code] = find_traits(code);
    return traits;
  }();
  return table;
}

}  // namespace

CharClass char_class(char32_t code) {
  // The last entry that starts at or before the code point.
  const auto* after = std::upper_bound(std::begin(kClassStarts), std::end(kClassStarts),
                                       (uint32_t{code} << 4) | 15);
  return static_cast<CharClass>(*(after - 1) & 15);
}

bool is_whitespace(char32_t code) {
  if (code < 0x80) return code == ' ' || (code >= 9 && code <= 13);
  return code == 0x85 || char_class(code) == CharClass::Separator;
}

bool is_han(char32_t code) {
  constexpr char32_t kBlocks[][2] = {{0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},
                                     {0x20000, 0x2A6DF}, {0x2A700, 0x2EBEF}, {0x2F800, 0x2FA1F}};
  return std::any_of(std::begin(kBlocks), std::end(kBlocks),
                     [&](const auto& block) { return code >= block[0] && code <= block[1]; });
}

void read_chars(std::string_view text, std::vector<Char>& chars) {
  const auto& near = near_traits();
  chars.clear();
  chars.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    Utf8Char c = decode_utf8(text, at);
    if (c.state != Utf8::Valid) c.bytes = 1;
    chars.push_back({c.code, c.code < kNear ? near[c.code] : find_traits(c.code),
                     static_cast<uint16_t>(c.bytes)});
    at += static_cast<size_t>(c.bytes);
  }
}

}  // namespace issun::tokenizer
