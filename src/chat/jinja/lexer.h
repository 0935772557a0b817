// Cuts a template into text and the tokens inside its tags. Blanks are treated as model authors
// expect: trim_blocks (the line end behind a block tag goes), lstrip_blocks (blanks before a block
// tag that starts its line go), no line end at the very end of the template.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace issun::chat::jinja {

enum class TokenKind {
  text,          // outside of tags
  output_begin,  // {{
  output_end,
  block_begin,  // {%
  block_end,
  name,
  string,  // escapes resolved
  integer,
  real,
  symbol,  // operator or bracket
  end,
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;
  int line = 1;

  bool is_symbol(std::string_view s) const { return kind == TokenKind::symbol && text == s; }
  bool is_name(std::string_view s) const { return kind == TokenKind::name && text == s; }
  // A word that cannot be a variable.
  bool is_keyword() const;
};

// The last token is of kind end. Error: a tag, string or comment without its end, a character that
// belongs nowhere; the message starts with the line.
Result<std::vector<Token>> tokenize(std::string_view source);

}  // namespace issun::chat::jinja
