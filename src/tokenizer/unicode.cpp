#include "tokenizer/unicode.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <span>

#include "base/utf8.h"

namespace issun::tokenizer {
namespace {

constexpr uint32_t kClassStarts[] = {
#include "tokenizer/unicode_classes.inc"
};

// Maps code points from first to last in steps; with step 0 all of them, to the same image.
struct Run {
  uint32_t first, last, step, image;
};
constexpr Run kBases[] = {
#include "tokenizer/unicode_bases.inc"
};
constexpr Run kLowerCases[] = {
#include "tokenizer/unicode_lower.inc"
};

char32_t image_of(std::span<const Run> runs, char32_t code) {
  const auto run = std::lower_bound(runs.begin(), runs.end(), code,
                                    [](const Run& r, char32_t c) { return r.last < c; });
  if (run == runs.end() || code < run->first) return code;
  if (run->step == 0) return run->image;
  return (code - run->first) % run->step == 0 ? run->image + (code - run->first) : code;
}

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

char32_t base_character(char32_t code) {
  // Unicode 15, section 3.12: 21 vowels times 28 endings (one of them none) to a leading consonant.
  constexpr char32_t kHangul = 0xAC00, kLeading = 0x1100, kSyllables = 19 * 21 * 28;
  if (code >= kHangul && code < kHangul + kSyllables)
    return kLeading + (code - kHangul) / (21 * 28);
  return code < 0xC0 ? code : image_of(kBases, code);
}

char32_t lower_case(char32_t code) {
  if (code < 0x80) return code >= 'A' && code <= 'Z' ? code - 'A' + 'a' : code;
  return image_of(kLowerCases, code);
}

bool is_han(char32_t code) {
  constexpr char32_t kBlocks[][2] = {{0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},
                                     {0x20000, 0x2A6DF}, {0x2A700, 0x2EBEF}, {0x2F800, 0x2FA1F}};
  return std::any_of(std::begin(kBlocks), std::end(kBlocks),
                     [&](const auto& block) { return code >= block[0] && code <= block[1]; });
}

uint16_t traits_of(char32_t code) { return code < kNear ? near_traits()[code] : find_traits(code); }

void read_chars(std::string_view text, std::vector<Char>& chars) {
  chars.clear();
  chars.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    Utf8Char c = decode_utf8(text, at);
    if (c.state != Utf8::Valid) c.bytes = 1;
    chars.push_back({c.code, traits_of(c.code), static_cast<uint16_t>(c.bytes)});
    at += static_cast<size_t>(c.bytes);
  }
}

}  // namespace issun::tokenizer
