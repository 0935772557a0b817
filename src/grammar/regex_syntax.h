// The tree of a regular expression.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "grammar/dfa.h"

namespace issun::grammar {

struct RegexNode {
  enum class Kind { Set, Sequence, Choice, Repeat, Begin, End };
  Kind kind = Kind::Sequence;
  std::vector<Range> set = {};  // sorted, apart from each other
  std::vector<RegexNode> children = {};
  int least = 0, most = 0;  // of Repeat; most -1: any number
};

// Error: malformed, or beyond what regex.h says.
Result<RegexNode> parse_regex_syntax(std::string_view pattern);

// Sorted, and those that touch made one.
std::vector<Range> merged(std::vector<Range> ranges);
// All other characters.
std::vector<Range> negated(const std::vector<Range>& merged_ranges);

}  // namespace issun::grammar
