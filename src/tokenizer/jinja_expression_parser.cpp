#include "tokenizer/jinja_expression_parser.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <utility>

namespace issun::tokenizer::jinja {

namespace {

constexpr int kHighest = 200;

ExpressionPtr with_child(ExpressionPtr parent, ExpressionPtr child) {
  parent->children.push_back(std::move(child));
  return parent;
}

bool is_keyword(std::string_view name) {
  constexpr std::string_view kKeywords[] = {"and", "or", "not", "if", "else", "in", "is"};
  return std::find(std::begin(kKeywords), std::end(kKeywords), name) != std::end(kKeywords);
}

}  // namespace

ExpressionPtr ExpressionParser::make(ExpressionKind kind) const {
  auto node = std::make_unique<Expression>();
  node->kind = kind;
  node->line = tokens_.line();
  return node;
}

Result<ExpressionPtr> ExpressionParser::finish(ExpressionPtr node) const {
  int height = 0;
  const auto see = [&](const ExpressionPtr& child) {
    if (child != nullptr) height = std::max(height, child->height);
  };
  for (const auto& child : node->children) see(child);
  for (const auto& argument : node->arguments) see(argument);
  for (const auto& argument : node->named_arguments) see(argument.second);
  see(node->more_arguments);
  see(node->more_named_arguments);
  node->height = height + 1;
  if (node->height > kHighest) {
    return fail("line {}: an expression of more than {} levels", node->line, kHighest);
  }
  return node;
}

Result<ExpressionPtr> ExpressionParser::expression(bool conditional) {
  const Nested nested(tokens_);
  TRY(nested.check());
  ExpressionPtr value = TRY(or_());
  while (conditional && tokens_.at_name("if")) {
    ExpressionPtr node = make(ExpressionKind::conditional);
    tokens_.next();
    node->children.push_back(std::move(value));
    node->children.push_back(TRY(or_()));
    node->children.push_back(tokens_.take_name("else") ? TRY(expression()) : nullptr);
    value = TRY(finish(std::move(node)));
  }
  return value;
}

Result<ExpressionPtr> ExpressionParser::expressions(bool conditional) {
  ExpressionPtr first = TRY(expression(conditional));
  if (!tokens_.at_symbol(",")) return first;
  ExpressionPtr tuple = with_child(make(ExpressionKind::tuple), std::move(first));
  while (tokens_.take_symbol(",")) {
    const bool done = tokens_.at(TokenKind::block_end) || tokens_.at(TokenKind::output_end) ||
                      tokens_.at_symbol(")") || tokens_.at_name("in") || tokens_.at_symbol("=");
    if (done) break;
    tuple->children.push_back(TRY(expression(conditional)));
  }
  return finish(std::move(tuple));
}

Result<ExpressionPtr> ExpressionParser::or_() {
  ExpressionPtr left = TRY(and_());
  if (!tokens_.at_name("or")) return left;
  ExpressionPtr node = with_child(make(ExpressionKind::or_), std::move(left));
  while (tokens_.take_name("or")) node->children.push_back(TRY(and_()));
  return finish(std::move(node));
}

Result<ExpressionPtr> ExpressionParser::and_() {
  ExpressionPtr left = TRY(not_());
  if (!tokens_.at_name("and")) return left;
  ExpressionPtr node = with_child(make(ExpressionKind::and_), std::move(left));
  while (tokens_.take_name("and")) node->children.push_back(TRY(not_()));
  return finish(std::move(node));
}

Result<ExpressionPtr> ExpressionParser::not_() {
  if (!tokens_.at_name("not")) return comparison();
  const Nested nested(tokens_);
  TRY(nested.check());
  ExpressionPtr node = make(ExpressionKind::not_);
  tokens_.next();
  node->children.push_back(TRY(not_()));
  return finish(std::move(node));
}

Result<ExpressionPtr> ExpressionParser::comparison() {
  constexpr std::pair<std::string_view, Comparator> kSymbols[] = {
      {"==", Comparator::equal},   {"!=", Comparator::unequal}, {"<", Comparator::below},
      {"<=", Comparator::at_most}, {">", Comparator::above},    {">=", Comparator::at_least}};
  ExpressionPtr left = TRY(sum());
  ExpressionPtr node;
  while (true) {
    std::optional<Comparator> comparator;
    for (const auto& [symbol, meaning] : kSymbols) {
      if (tokens_.at_symbol(symbol)) comparator = meaning;
    }
    if (tokens_.at_name("in")) comparator = Comparator::in;
    const bool not_in = tokens_.at_name("not") && tokens_.peek(1).is_name("in");
    if (not_in) comparator = Comparator::not_in;
    if (!comparator) break;
    if (node == nullptr) node = with_child(make(ExpressionKind::comparison), std::move(left));
    tokens_.next();
    if (not_in) tokens_.next();
    node->comparators.push_back(*comparator);
    node->children.push_back(TRY(sum()));
  }
  return node == nullptr ? Result<ExpressionPtr>(std::move(left)) : finish(std::move(node));
}

Result<ExpressionPtr> ExpressionParser::sum() {
  ExpressionPtr left = TRY(concat());
  while (tokens_.at_symbol("+") || tokens_.at_symbol("-")) {
    ExpressionPtr node = make(ExpressionKind::arithmetic);
    node->op = tokens_.next().text == "+" ? Operator::add : Operator::subtract;
    node->children.push_back(std::move(left));
    node->children.push_back(TRY(concat()));
    left = TRY(finish(std::move(node)));
  }
  return left;
}

Result<ExpressionPtr> ExpressionParser::concat() {
  ExpressionPtr left = TRY(product());
  if (!tokens_.at_symbol("~")) return left;
  ExpressionPtr node = with_child(make(ExpressionKind::concat), std::move(left));
  while (tokens_.take_symbol("~")) node->children.push_back(TRY(product()));
  return finish(std::move(node));
}

Result<ExpressionPtr> ExpressionParser::product() {
  constexpr std::pair<std::string_view, Operator> kSymbols[] = {{"*", Operator::multiply},
                                                                {"/", Operator::divide},
                                                                {"//", Operator::floor_divide},
                                                                {"%", Operator::modulo}};
  ExpressionPtr left = TRY(power());
  while (true) {
    std::optional<Operator> op;
    for (const auto& [symbol, meaning] : kSymbols) {
      if (tokens_.at_symbol(symbol)) op = meaning;
    }
    if (!op) return left;
    ExpressionPtr node = make(ExpressionKind::arithmetic);
    tokens_.next();
    node->op = *op;
    node->children.push_back(std::move(left));
    node->children.push_back(TRY(power()));
    left = TRY(finish(std::move(node)));
  }
}

Result<ExpressionPtr> ExpressionParser::power() {
  ExpressionPtr left = TRY(unary(true));
  while (tokens_.at_symbol("**")) {
    ExpressionPtr node = make(ExpressionKind::arithmetic);
    tokens_.next();
    node->op = Operator::power;
    node->children.push_back(std::move(left));
    node->children.push_back(TRY(unary(true)));
    left = TRY(finish(std::move(node)));
  }
  return left;
}

Result<ExpressionPtr> ExpressionParser::unary(bool with_filters) {
  const bool negative = tokens_.at_symbol("-");
  ExpressionPtr node;
  if (negative || tokens_.at_symbol("+")) {
    const Nested nested(tokens_);
    TRY(nested.check());
    node = make(negative ? ExpressionKind::negative : ExpressionKind::positive);
    tokens_.next();
    node->children.push_back(TRY(unary(false)));
    node = TRY(finish(std::move(node)));
  } else {
    node = TRY(primary());
  }
  node = TRY(postfix(std::move(node)));
  return with_filters ? filters_and_tests(std::move(node)) : Result<ExpressionPtr>(std::move(node));
}

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
  if (!tokens_.at(TokenKind::name) || is_keyword(tokens_.peek().text)) {
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

Result<ExpressionPtr> ExpressionParser::filters_and_tests(ExpressionPtr subject) {
  while (true) {
    if (tokens_.at_symbol("|")) {
      tokens_.next();
      subject = TRY(filter(std::move(subject)));
    } else if (tokens_.at_name("is")) {
      subject = TRY(test(std::move(subject)));
    } else if (tokens_.at_symbol("(")) {
      subject = TRY(postfix(std::move(subject)));
    } else {
      return subject;
    }
  }
}

Result<ExpressionPtr> ExpressionParser::filters() {
  ExpressionPtr chain = TRY(filter(nullptr));
  while (tokens_.take_symbol("|")) chain = TRY(filter(std::move(chain)));
  return chain;
}

Result<ExpressionPtr> ExpressionParser::filter(ExpressionPtr subject) {
  ExpressionPtr node = with_child(make(ExpressionKind::filter), std::move(subject));
  node->name = TRY(tokens_.identifier());
  while (tokens_.take_symbol(".")) node->name += "." + TRY(tokens_.identifier());
  if (tokens_.at_symbol("(")) TRY(arguments(node.get()));
  return finish(std::move(node));
}

Result<ExpressionPtr> ExpressionParser::test(ExpressionPtr subject) {
  ExpressionPtr node = with_child(make(ExpressionKind::test), std::move(subject));
  TRY(tokens_.expect_name("is"));
  node->negated = tokens_.take_name("not");
  node->name = TRY(tokens_.identifier());
  const Token& ahead = tokens_.peek();
  const bool operand = (ahead.kind == TokenKind::name && !is_keyword(ahead.text)) ||
                       ahead.kind == TokenKind::string || ahead.kind == TokenKind::integer ||
                       ahead.kind == TokenKind::real || ahead.is_symbol("[") ||
                       ahead.is_symbol("{");
  if (tokens_.at_symbol("(")) {
    TRY(arguments(node.get()));
  } else if (operand) {  // "is divisibleby 3"
    ExpressionPtr argument = TRY(primary());
    node->arguments.push_back(TRY(postfix(std::move(argument))));
  }
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

}  // namespace issun::tokenizer::jinja
