#include "tokenizer/pattern.h"

#include <algorithm>

#include "base/check.h"
#include "base/utf8.h"

namespace issun::tokenizer {
namespace {
constexpr size_t kNoMatch = SIZE_MAX;
constexpr size_t kUnbounded = SIZE_MAX;
}  // namespace

bool CharSet::Part::contains(char32_t code, uint16_t char_traits) const {
  if (char_traits & traits) return true;
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const Range& r) { return code >= r.first && code <= r.last; });
}

bool CharSet::contains_beyond_ascii(const Char& c) const {
  return (include_.contains(c.code, c.traits) && !exclude_.contains(c.code, c.traits)) != negated_;
}

void CharSet::fill_ascii() {
  std::vector<Char> chars;
  for (int code = 0; code < 128; ++code) {
    const char text = static_cast<char>(code);
    read_chars({&text, 1}, chars);
    if (contains_beyond_ascii(chars[0])) ascii_[code >> 6] |= uint64_t{1} << (code & 63);
  }
}

// Reads the notation, one character at a time.
class PatternParser {
 public:
  explicit PatternParser(std::string_view notation) : rest_(notation) {}

  Pattern::Alternative alternative() {
    Pattern::Alternative result;
    while (!rest_.empty() && rest_[0] != '|' && rest_[0] != ')') {
      if (take("(?!\\S)")) {
        result.before_whitespace = true;
      } else if (take("(?:")) {
        do result.suffixes.push_back(literal());
        while (take("|"));
        CHECK_THAT(take(")?"));
      } else {
        CHECK_THAT(!result.before_whitespace && result.suffixes.empty());
        result.items.push_back(item());
      }
    }
    CHECK_THAT(!result.items.empty());
    return result;
  }
  bool take(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  bool done() const { return rest_.empty(); }

 private:
  std::vector<CharSet> literal() {
    std::vector<CharSet> sets;
    while (rest_[0] != '|' && rest_[0] != ')') sets.push_back(set());
    return sets;
  }

  Pattern::Item item() {
    Pattern::Item result{.set = set()};
    if (take("?")) {
      result.min = 0;
    } else if (take("*")) {
      result.min = 0, result.max = kUnbounded;
    } else if (take("+")) {
      result.max = kUnbounded;
    } else if (take("{")) {
      result.min = result.max = number();
      if (take(",")) result.max = number();
      CHECK_THAT(take("}"));
    }
    return result;
  }

  size_t number() {
    size_t n = 0;
    while (rest_[0] >= '0' && rest_[0] <= '9') n = n * 10 + static_cast<size_t>(one() - '0');
    return n;
  }

  CharSet set() {
    CharSet result;
    if (take("[")) {
      result.negated_ = take("^");
      CharSet::Part* part = &result.include_;
      while (!take("]")) {
        if (take("--")) part = &result.exclude_;
        member(*part);
      }
    } else {
      member(result.include_);
    }
    result.fill_ascii();
    return result;
  }

  // One class, character or range of a set.
  void member(CharSet::Part& part) {
    constexpr struct {
      std::string_view name;
      uint16_t traits;
    } kNamed[] = {
        {"\\p{L}", trait(CharClass::Letter)},
        {"\\p{N}", trait(CharClass::Number)},
        {"\\p{M}", trait(CharClass::Mark)},
        {"\\p{P}", trait(CharClass::Punctuation)},
        {"\\p{S}", trait(CharClass::Symbol)},
        {"\\p{Z}", trait(CharClass::Separator)},
        {"\\p{Han}", kHanTrait},
        {"\\s", kWhitespaceTrait},
    };
    for (const auto& named : kNamed) {
      if (take(named.name)) {
        part.traits |= named.traits;
        return;
      }
    }
    const char32_t first = character();
    const bool range = rest_.size() > 1 && rest_[0] == '-' && rest_[1] != ']' && rest_[1] != '-';
    if (range) one();
    part.ranges.push_back({first, range ? character() : first});
  }

  char32_t character() {
    if (!take("\\")) return one();
    const char32_t escaped = one();
    return escaped == 'r' ? '\r' : escaped == 'n' ? '\n' : escaped == 't' ? '\t' : escaped;
  }

  char32_t one() {
    CHECK_THAT(!rest_.empty());
    const Utf8Char c = decode_utf8(rest_, 0);
    rest_.remove_prefix(static_cast<size_t>(c.bytes));
    return c.code;
  }

  std::string_view rest_;
};

Pattern::Pattern(std::string_view notation) {
  PatternParser parser(notation);
  do alternatives_.push_back(parser.alternative());
  while (parser.take("|"));
  CHECK_THAT(parser.done() && alternatives_.size() <= 64);
  for (size_t i = 0; i < alternatives_.size(); ++i) {
    for (const Item& item : alternatives_[i].items) {
      for (int code = 0; code < 128; ++code) {
        if (item.set.contains_ascii(code)) starts_[code] |= uint64_t{1} << i;
      }
      if (item.min > 0) break;
    }
  }
}

size_t Pattern::match(std::span<const Char> chars, size_t at) const {
  const char32_t first = chars[at].code;
  const uint64_t possible = first < 128 ? starts_[first] : ~uint64_t{0};
  for (size_t i = 0; i < alternatives_.size(); ++i) {
    if (!((possible >> i) & 1)) continue;
    const size_t end = match_items(alternatives_[i], 0, chars, at);
    if (end != kNoMatch && end > at) return end - at;
  }
  return 0;
}

size_t Pattern::match_items(const Alternative& alternative, size_t item,
                            std::span<const Char> chars, size_t at) {
  if (item == alternative.items.size()) return match_end(alternative, chars, at);
  const Item& wanted = alternative.items[item];
  const size_t most = std::min(wanted.max, chars.size() - at);
  size_t count = 0;
  while (count < most && wanted.set.contains(chars[at + count])) ++count;
  for (; count >= wanted.min; --count) {
    const size_t end = match_items(alternative, item + 1, chars, at + count);
    if (end != kNoMatch) return end;
    if (count == 0) break;
  }
  return kNoMatch;
}

size_t Pattern::match_end(const Alternative& alternative, std::span<const Char> chars, size_t at) {
  if (alternative.before_whitespace && at < chars.size() &&
      !(chars[at].traits & kWhitespaceTrait)) {
    return kNoMatch;
  }
  for (const auto& suffix : alternative.suffixes) {
    if (suffix.size() > chars.size() - at) continue;
    size_t n = 0;
    while (n < suffix.size() && suffix[n].contains(chars[at + n])) ++n;
    if (n == suffix.size()) return at + n;
  }
  return at;
}

}  // namespace issun::tokenizer
