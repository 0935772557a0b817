// Pattern: the small regular expressions by which tokenizers cut text into words.
//
// Notation (a subset of what tokenizer.json files use, so that the two can be compared by eye):
//   a|b            the first alternative that matches wins
//   [...] [^...]   a set: literals, a-z, \s \r \n \t, \p{L N M P S Z} and \p{Han}; A--B inside
//   brackets
//                  means A without B; \p{..}, \s and literals may stand alone
//   ? * + {n} {n,m}  greedy, with backtracking
//   (?!\S)         at the end of an alternative: not followed by a character other than whitespace
//   (?:a|b)?       at the end of an alternative: an optional suffix
// Not here: captures, anchors, nested groups. Characters are those of Unicode, never bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tokenizer/unicode.h"

namespace issun::tokenizer {

// Which characters an item accepts.
class CharSet {
 public:
  bool contains(const Char& c) const {
    if (c.code < 128) return (ascii_[c.code >> 6] >> (c.code & 63)) & 1;
    return contains_beyond_ascii(c);
  }
  bool contains_ascii(int code) const { return (ascii_[code >> 6] >> (code & 63)) & 1; }

 private:
  friend class PatternParser;
  struct Part {
    uint16_t traits = 0;  // any of these
    struct Range {
      char32_t first, last;
    };
    std::vector<Range> ranges;  // or within any of these
    bool contains(char32_t code, uint16_t char_traits) const;
  };
  bool contains_beyond_ascii(const Char& c) const;
  void fill_ascii();

  Part include_, exclude_;
  bool negated_ = false;
  uint64_t ascii_[2] = {0, 0};
};

class Pattern {
 public:
  // The notation must be right: patterns are part of the program, a wrong one is a bug (CHECK).
  explicit Pattern(std::string_view notation);

  // How many characters the pattern matches at chars[at]; 0 for none. It sees nothing before `at`.
  size_t match(std::span<const Char> chars, size_t at) const;

 private:
  friend class PatternParser;
  struct Item {
    CharSet set;
    size_t min = 1, max = 1;
  };
  struct Alternative {
    std::vector<Item> items;
    bool before_whitespace = false;              // (?!\S)
    std::vector<std::vector<CharSet>> suffixes;  // (?:a|b)?
  };
  static size_t match_items(const Alternative& alternative, size_t item,
                            std::span<const Char> chars, size_t at);
  static size_t match_end(const Alternative& alternative, std::span<const Char> chars, size_t at);

  std::vector<Alternative> alternatives_;
  // Bit i: alternative i may start with this ASCII character. Others may start any.
  uint64_t starts_[128] = {};
};

}  // namespace issun::tokenizer
