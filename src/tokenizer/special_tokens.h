// SpecialTokens: tokens that stand in a text as they are (<|im_end|>, runs of spaces, ...) and are
// cut out of it before anything else looks at it.
#pragma once

#include <string_view>
#include <vector>

#include "tokenizer/prefix_tree.h"
#include "tokenizer/vocabulary.h"

namespace issun::tokenizer {

// A stretch of plain text, or one special token.
struct Fragment {
  std::string_view text;
  Token token = kNoToken;
};

class SpecialTokens {
 public:
  SpecialTokens() = default;
  // All control, user-defined and unknown tokens.
  explicit SpecialTokens(const Vocabulary& vocabulary);

  // The token also swallows the whitespace before it, or after it.
  void strip_left(Token token) { set_strip(token, true, false); }
  void strip_right(Token token) { set_strip(token, false, true); }
  std::vector<Token> tokens() const;

  // Cuts `text` into fragments, in order; none is empty. Of overlapping tokens the longest wins,
  // then the lowest id, then the leftmost. Without parse_special only user-defined tokens are
  // found.
  void cut(std::string_view text, bool parse_special, std::vector<Fragment>& fragments) const;

 private:
  struct Entry {
    std::string_view text;
    Token token;
    bool user_defined;
    bool strip_left = false, strip_right = false;
  };
  struct Match {
    size_t at;
    const Entry* entry;
  };
  class Cutter;
  void set_strip(Token token, bool left, bool right);
  // The longest special token at text[at] that is at most `limit` bytes long.
  const Entry* longest_at(std::string_view text, size_t at, size_t limit, bool parse_special) const;

  std::vector<Entry> entries_;  // sorted by text
  PrefixTree texts_;            // the value is the entry
};

}  // namespace issun::tokenizer
