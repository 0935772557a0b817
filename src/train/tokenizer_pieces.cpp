#include "train/tokenizer_pieces.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/utf8.h"
#include "train/tokenizer_scripts.h"

namespace issun::train {

namespace {

constexpr char32_t kMark = 0x2581;
constexpr size_t kMostChars = 65534;

// Characters of different kinds are not joined, but Any is joined to all.
constexpr int kSpace = -1, kAny = -2, kFirstControl = 1000, kStart = -3;

int kind_of(char32_t code, const CutRules& rules, int previous) {
  if (code == ' ') return kSpace;
  if (code == '\r') code = '\n';
  if (code < ' ' || code == 0x7F) return kFirstControl + static_cast<int>(code);
  if (!rules.split_by_unicode_script) return kAny;
  const bool digit = (code >= '0' && code <= '9') || (code >= 0xFF10 && code <= 0xFF19);
  if (digit && !rules.split_by_number) return kAny;
  const Script script = script_of(code);
  if (script == Script::Inherited && previous >= 0 && previous < kFirstControl) return previous;
  return static_cast<int>(script);
}

// Whether a character may continue a word that ends with one of the kind `previous`.
bool joins(int previous, int kind) {
  if (kind == kSpace) return previous == kSpace;
  if (kind >= kFirstControl || previous >= kFirstControl) return kind == previous;
  return previous == kSpace || previous == kAny || kind == kAny || previous == kind;
}

}  // namespace

void cut_pieces(std::string_view text, const CutRules& rules,
                std::vector<std::string_view>& words) {
  size_t begin = 0;
  int previous = kStart, size = 0;
  const auto end_word = [&](size_t end) {
    if (end > begin) words.push_back(text.substr(begin, end - begin));
    begin = end;
    size = 0;
  };
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    const int kind = kind_of(c.code, rules, previous);
    if (previous != kStart && (!joins(previous, kind) || size == kLongestWord)) end_word(at);
    // Of several spaces the last begins the word.
    if (previous == kSpace && kind != kSpace && size > 1) {
      end_word(at - 1);
      size = 1;
    }
    ++size;
    at += static_cast<size_t>(c.bytes);
    previous = kind;
  }
  end_word(text.size());
}

std::string PieceText::text_of(uint32_t begin, int size) const {
  std::string text;
  for (int i = 0; i < size; ++i) {
    append_utf8(alphabet[chars[begin + static_cast<uint32_t>(i)]], text);
  }
  return text;
}

namespace {

// As U+2581 where it is a space.
template <class Body>
void each_char(std::string_view word, const Body& body) {
  for (size_t at = 0; at < word.size();) {
    const Utf8Char c = decode_utf8(word, at);
    body(c.code == ' ' ? kMark : c.code);
    at += static_cast<size_t>(c.bytes);
  }
}

void choose_alphabet(std::span<const WordCount> words, double coverage, PieceText& text) {
  std::unordered_map<char32_t, int64_t> counts;
  for (const WordCount& word : words) {
    each_char(word.word, [&](char32_t code) { counts[code] += word.count; });
  }
  int64_t total = 0, kept = 0;
  std::vector<std::pair<int64_t, char32_t>> order;  // the most frequent first
  for (const auto& [code, count] : counts) {
    order.emplace_back(-count, code);
    total += count;
  }
  std::sort(order.begin(), order.end());
  const auto enough = [&] {
    return static_cast<double>(kept) >= coverage * static_cast<double>(total);
  };
  for (const auto& [negative, code] : order) {
    if (enough() || text.alphabet.size() == kMostChars) break;
    text.alphabet.push_back(code);
    text.frequencies.push_back(-negative);
    kept -= negative;
  }
  if (std::find(text.alphabet.begin(), text.alphabet.end(), kMark) != text.alphabet.end()) return;
  text.alphabet.push_back(kMark);
  text.frequencies.push_back(counts.contains(kMark) ? counts[kMark] : 0);
}

}  // namespace

PieceText index_words(std::span<const WordCount> words, double coverage) {
  PieceText text;
  choose_alphabet(words, coverage, text);
  std::unordered_map<char32_t, uint16_t> index;
  for (size_t c = 0; c < text.alphabet.size(); ++c) {
    index.emplace(text.alphabet[c], static_cast<uint16_t>(c));
  }
  for (const WordCount& word : words) {
    auto begin = static_cast<uint32_t>(text.chars.size());
    const auto end_word = [&] {
      const auto end = static_cast<uint32_t>(text.chars.size());
      if (end > begin) text.words.push_back({begin, static_cast<uint8_t>(end - begin), word.count});
      begin = end;
    };
    each_char(word.word, [&](char32_t code) {
      const auto known = index.find(code);
      if (known == index.end()) return end_word();
      text.chars.push_back(known->second);
    });
    end_word();
  }
  return text;
}

}  // namespace issun::train
