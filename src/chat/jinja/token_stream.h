// The tokens of a template as its two parsers consume them, and how deep they have gone.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "chat/jinja/lexer.h"

namespace issun::chat::jinja {

class TokenStream {
 public:
  explicit TokenStream(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  const Token& peek(int ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  bool at(TokenKind kind) const { return peek().kind == kind; }
  bool at_symbol(std::string_view symbol) const { return peek().is_symbol(symbol); }
  bool at_name(std::string_view name) const { return peek().is_name(name); }
  int line() const { return peek().line; }

  Token next() {
    Token token = peek();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool take_symbol(std::string_view symbol) {
    const bool found = at_symbol(symbol);
    if (found) ++at_;
    return found;
  }
  bool take_name(std::string_view name) {
    const bool found = at_name(name);
    if (found) ++at_;
    return found;
  }

  Result<void> expect_symbol(std::string_view symbol) {
    if (take_symbol(symbol)) return {};
    return fail("line {}: expected '{}', found {}", line(), symbol, here());
  }
  Result<void> expect_name(std::string_view name) {
    if (take_name(name)) return {};
    return fail("line {}: expected '{}', found {}", line(), name, here());
  }
  Result<void> expect(TokenKind kind, std::string_view description) {
    if (!at(kind)) return fail("line {}: expected {}, found {}", line(), description, here());
    next();
    return {};
  }
  Result<std::string> identifier() {
    if (!at(TokenKind::name)) return fail("line {}: expected a name, found {}", line(), here());
    return next().text;
  }

  // The next token, for messages.
  std::string here() const {
    switch (peek().kind) {
      case TokenKind::text:
        return "text";
      case TokenKind::output_begin:
        return "'{{'";
      case TokenKind::output_end:
        return "'}}'";
      case TokenKind::block_begin:
        return "'{%'";
      case TokenKind::block_end:
        return "'%}'";
      case TokenKind::string:
        return "a string";
      case TokenKind::end:
        return "the end of the template";
      default:
        return "'" + peek().text + "'";
    }
  }

  // Nested tags and brackets; the parsers recurse as deep.
  static constexpr int kDeepest = 100;
  int depth = 0;

 private:
  std::vector<Token> tokens_;
  size_t at_ = 0;
};

// One level of nesting for as long as it lives.
class Nested {
 public:
  explicit Nested(TokenStream& tokens) : tokens_(tokens) { ++tokens_.depth; }
  ~Nested() { --tokens_.depth; }
  Nested(const Nested&) = delete;
  Nested& operator=(const Nested&) = delete;
  Result<void> check() const {
    if (tokens_.depth <= TokenStream::kDeepest) return {};
    return fail("line {}: nested deeper than {} levels", tokens_.line(), TokenStream::kDeepest);
  }

 private:
  TokenStream& tokens_;
};

}  // namespace issun::chat::jinja
