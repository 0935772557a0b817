// The tree of a GBNF text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "grammar/dfa.h"

namespace issun::grammar {

struct GbnfNode {
  enum class Kind { Text, Set, Rule, Token, Sequence, Choice, Repeat };
  Kind kind = Kind::Sequence;
  std::string text = {};        // Text: bytes; Rule, Token: name, which is empty for a number
  std::vector<Range> set = {};  // Set: sorted, apart from each other
  uint32_t number = 0;          // Token
  int least = 0, most = 0;      // Repeat; most -1: any number
  std::vector<GbnfNode> children = {};
  size_t at = 0;  // byte in the text
};

struct GbnfRule {
  std::string name;
  GbnfNode body;
};

// Error: malformed, with line and column.
Result<std::vector<GbnfRule>> parse_gbnf(std::string_view text);

// "line 3, column 14"
std::string place_in(std::string_view text, size_t at);

}  // namespace issun::grammar
