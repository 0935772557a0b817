#include "train/tokenizer_nfkc.h"

#include <string_view>
#include <vector>

#include "base/utf8.h"

namespace issun::train {

namespace {

struct Changed {
  char32_t code;
  std::string_view text;
};
constexpr Changed kChanged[] = {
#include "train/tokenizer_nfkc.inc"
};

struct Composition {
  char32_t first, second, composed;
};
constexpr Composition kCompositions[] = {
#include "train/tokenizer_compositions.inc"
};

bool is_width_variant(char32_t code) { return code >= 0xFF00 && code <= 0xFFEF; }

std::string utf8(char32_t code) {
  std::string text;
  append_utf8(code, text);
  return text;
}

// For a character: all texts that compose to it.
using Spellings = std::map<char32_t, std::vector<std::string>>;

// Itself and its forms of another width.
Spellings width_variants() {
  Spellings spellings;
  for (const Changed& changed : kChanged) {
    const Utf8Char only = decode_utf8(changed.text, 0);
    if (static_cast<size_t>(only.bytes) != changed.text.size()) continue;
    // A mark (second in a composition) has equals that are no width variants, U+0340 and its kin.
    const bool is_mark = changed.code >= 0x300 && changed.code < 0x370;
    if (is_width_variant(changed.code) || is_mark) {
      spellings[only.code].push_back(utf8(changed.code));
    }
  }
  return spellings;
}

}  // namespace

std::map<std::string, std::string> nfkc_replacements() {
  std::map<std::string, std::string> replaced;
  for (const Changed& changed : kChanged) replaced.emplace(utf8(changed.code), changed.text);
  const Spellings widths = width_variants();
  const auto variants = [&](char32_t code) {
    std::vector<std::string> texts = {utf8(code)};
    if (const auto more = widths.find(code); more != widths.end()) {
      texts.insert(texts.end(), more->second.begin(), more->second.end());
    }
    return texts;
  };
  Spellings composed;
  // A first part may itself be composed of others: as often as there are marks on one letter.
  for (bool grown = true; grown;) {
    grown = false;
    for (const Composition& composition : kCompositions) {
      std::vector<std::string> firsts = variants(composition.first);
      if (const auto more = composed.find(composition.first); more != composed.end()) {
        firsts.insert(firsts.end(), more->second.begin(), more->second.end());
      }
      for (const std::string& first : firsts) {
        for (const std::string& second : variants(composition.second)) {
          if (!replaced.emplace(first + second, utf8(composition.composed)).second) continue;
          composed[composition.composed].push_back(first + second);
          grown = true;
        }
      }
    }
  }
  return replaced;
}

}  // namespace issun::train
