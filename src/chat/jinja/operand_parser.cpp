// What operators work on: literals, names, brackets, and what follows them directly.
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "chat/jinja/expression_parser.h"

namespace issun::chat::jinja {

Result<ExpressionPtr> ExpressionParser::primary() {
  ExpressionPtr node = make(ExpressionKind::literal);
  if (tokens_.at_symbol("(") || tokens_.at_symbol("[")) return bracketed();
  if (tokens_.at_symbol("{")) return dict();
  if (tokens_.at(TokenKind::integer) || tokens_.at(TokenKind::real)) return number(tokens_.next());
  if (tokens_.at(TokenKind::string)) {
    std::string text;
    while (tokens_.at(TokenKind::string)) text += tokens_.next().text;  // "a" "b" is "ab"
    node->value = Value(std::move(text));
    return node;
  }
  if (!tokens_.at(TokenKind::name) || tokens_.peek().is_keyword()) {
    return fail("line {}: expected an expression, found {}", tokens_.line(), tokens_.here());
  }
  const std::string name = tokens_.next().text;
  if (name == "true" || name == "True") {
    node->value = Value(true);
  } else if (name == "false" || name == "False") {
    node->value = Value(false);
  } else if (name == "none" || name == "None") {
    node->value = Value::none();
  } else {
    node->kind = ExpressionKind::variable;
    node->name = name;
  }
  return node;
}

Result<ExpressionPtr> ExpressionParser::number(const Token& token) {
  ExpressionPtr node = make(ExpressionKind::literal);
  node->line = token.line;
  if (token.kind == TokenKind::real) {
    const double number = std::strtod(token.text.c_str(), nullptr);
    if (!std::isfinite(number)) return fail("line {}: number out of range", token.line);
    node->value = Value(number);
    return node;
  }
  std::string_view digits = token.text;
  int base = 10;
  if (digits.size() > 1 && digits[0] == '0' && digits[1] > '9') {
    base = digits[1] == 'x' ? 16 : digits[1] == 'o' ? 8 : 2;
    digits.remove_prefix(2);
  }
  int64_t integer = 0;
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, integer, base);
  if (parsed.ec != std::errc() || parsed.ptr != end) {
    return fail("line {}: '{}' is no integer of 64 bits", token.line, token.text);
  }
  node->value = Value(integer);
  return node;
}

Result<ExpressionPtr> ExpressionParser::bracketed() {
  if (tokens_.take_symbol("(")) {
    ExpressionPtr inside = make(ExpressionKind::tuple);
    if (tokens_.take_symbol(")")) return inside;
    inside = TRY(expressions());
    TRY(tokens_.expect_symbol(")"));
    return inside;
  }
  ExpressionPtr list = make(ExpressionKind::list);
  TRY(tokens_.expect_symbol("["));
  while (!tokens_.at_symbol("]")) {
    list->children.push_back(TRY(expression()));
    if (!tokens_.take_symbol(",")) break;
  }
  TRY(tokens_.expect_symbol("]"));
  return finish(std::move(list));
}

Result<ExpressionPtr> ExpressionParser::dict() {
  ExpressionPtr dict = make(ExpressionKind::dict);
  TRY(tokens_.expect_symbol("{"));
  while (!tokens_.at_symbol("}")) {
    dict->children.push_back(TRY(expression()));
    TRY(tokens_.expect_symbol(":"));
    dict->children.push_back(TRY(expression()));
    if (!tokens_.take_symbol(",")) break;
  }
  TRY(tokens_.expect_symbol("}"));
  return finish(std::move(dict));
}

Result<ExpressionPtr> ExpressionParser::postfix(ExpressionPtr subject) {
  while (true) {
    if (tokens_.at_symbol(".")) {
      ExpressionPtr node = make(ExpressionKind::attribute);
      tokens_.next();
      const bool position = tokens_.at(TokenKind::integer);  // list.0 is list[0]
      if (position) {
        node->kind = ExpressionKind::item;
        node->children.push_back(std::move(subject));
        node->children.push_back(TRY(number(tokens_.next())));
      } else {
        node->name = TRY(tokens_.identifier());
        node->children.push_back(std::move(subject));
      }
      subject = TRY(finish(std::move(node)));
    } else if (tokens_.at_symbol("[")) {
      subject = TRY(item(std::move(subject)));
    } else if (tokens_.at_symbol("(")) {
      ExpressionPtr node = with_child(make(ExpressionKind::call), std::move(subject));
      TRY(arguments(node.get()));
      subject = TRY(finish(std::move(node)));
    } else {
      return subject;
    }
  }
}

Result<ExpressionPtr> ExpressionParser::item(ExpressionPtr subject) {
  ExpressionPtr node = with_child(make(ExpressionKind::item), std::move(subject));
  TRY(tokens_.expect_symbol("["));
  ExpressionPtr part;
  if (!tokens_.at_symbol(":")) part = TRY(expression());
  node->children.push_back(std::move(part));
  while (tokens_.take_symbol(":")) {
    node->kind = ExpressionKind::slice;
    const bool absent = tokens_.at_symbol(":") || tokens_.at_symbol("]");
    node->children.push_back(absent ? nullptr : TRY(expression()));
  }
  if (node->children.size() > 4) {
    return fail("line {}: a slice has at most three parts", node->line);
  }
  TRY(tokens_.expect_symbol("]"));
  return finish(std::move(node));
}

Result<void> ExpressionParser::arguments(Expression* call) {
  TRY(tokens_.expect_symbol("("));
  while (!tokens_.at_symbol(")")) {
    const bool named = tokens_.at(TokenKind::name) && tokens_.peek(1).is_symbol("=");
    if (tokens_.take_symbol("**")) {
      call->more_named_arguments = TRY(expression());
    } else if (tokens_.take_symbol("*")) {
      call->more_arguments = TRY(expression());
    } else if (named) {
      std::string name = tokens_.next().text;
      tokens_.next();
      call->named_arguments.emplace_back(std::move(name), TRY(expression()));
    } else if (!call->named_arguments.empty() || call->more_named_arguments != nullptr) {
      return fail("line {}: a positional argument behind a named one", tokens_.line());
    } else {
      call->arguments.push_back(TRY(expression()));
    }
    if (!tokens_.take_symbol(",")) break;
  }
  return tokens_.expect_symbol(")");
}

}  // namespace issun::chat::jinja
