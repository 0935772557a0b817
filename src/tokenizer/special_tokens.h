// SpecialTokens: tokens that stand in a text as they are (<|im_end|>, runs of spaces, ...) and are
// cut out of it before anything else looks at it.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/byte_range.h"
#include "tokenizer/prefix_tree.h"
#include "tokenizer/vocabulary.h"

namespace issun::tokenizer {

// A stretch of plain text, or one special token.
struct Fragment {
  std::string_view text;
  Token token = kNoToken;
};

// Whether a token looks like a sign of a talk, for people and tools to spell but not to give:
// <|name|>, <name>, </name>, [NAME], [/NAME]; but not a tag of HTML.
bool is_markup(std::string_view text);

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
  // then the lowest id, then the leftmost. Without parse_special, and where a token reaches into
  // one of the `literal` ranges (in order and apart), only user-defined tokens are found;
  // and of these none that is markup, <|so|>, <so> or [SO], where a literal range is in the way.
  void cut(std::string_view text, bool parse_special, std::vector<Fragment>& fragments,
           std::span<const ByteRange> literal = {}) const;

 private:
  struct Entry {
    std::string_view text;
    Token token;
    bool user_defined;
    bool is_markup;
    bool strip_left = false, strip_right = false;
  };
  struct Match {
    size_t at;
    const Entry* entry;
  };
  class Cutter;
  void set_strip(Token token, bool left, bool right);
  // The longest special token at text[at] that is at most `limit` bytes long; only user-defined
  // ones may be longer than `parsed`, and with `literal` none that is markup.
  const Entry* longest_at(std::string_view text, size_t at, size_t limit, size_t parsed,
                          bool literal) const;

  std::vector<Entry> entries_;  // sorted by text
  PrefixTree texts_;            // the value is the entry
};

}  // namespace issun::tokenizer
