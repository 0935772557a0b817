#include "chat/jinja/expression_parser.h"

#include <algorithm>
#include <utility>

namespace issun::chat::jinja {

namespace {

constexpr int kHighest = 200;

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
  const bool operand = (ahead.kind == TokenKind::name && !ahead.is_keyword()) ||
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

}  // namespace issun::chat::jinja
