// Expressions of a template, by recursive descent, weakest binding first.
#pragma once

#include <utility>

#include "base/result.h"
#include "chat/jinja/ast.h"
#include "chat/jinja/token_stream.h"

namespace issun::chat::jinja {

inline ExpressionPtr with_child(ExpressionPtr parent, ExpressionPtr child) {
  parent->children.push_back(std::move(child));
  return parent;
}

class ExpressionParser {
 public:
  explicit ExpressionParser(TokenStream& tokens) : tokens_(tokens) {}

  // value if condition else otherwise, and all that binds closer. Without `conditional` a final
  // "if" is left to the for statement around.
  Result<ExpressionPtr> expression(bool conditional = true);
  // expression {, expression}: a tuple when there is a comma.
  Result<ExpressionPtr> expressions(bool conditional = true);
  // name{.name}[(arguments)] {| name[(arguments)]}: what stands in a filter tag. The innermost
  // filter has no child.
  Result<ExpressionPtr> filters();

 private:
  Result<ExpressionPtr> or_();
  Result<ExpressionPtr> and_();
  Result<ExpressionPtr> not_();
  Result<ExpressionPtr> comparison();
  Result<ExpressionPtr> sum();
  Result<ExpressionPtr> concat();
  Result<ExpressionPtr> product();
  Result<ExpressionPtr> power();
  Result<ExpressionPtr> unary(bool with_filters);
  Result<ExpressionPtr> primary();
  Result<ExpressionPtr> number(const Token& token);
  Result<ExpressionPtr> bracketed();
  Result<ExpressionPtr> dict();
  Result<ExpressionPtr> postfix(ExpressionPtr subject);
  Result<ExpressionPtr> item(ExpressionPtr subject);
  Result<ExpressionPtr> filters_and_tests(ExpressionPtr subject);
  Result<ExpressionPtr> filter(ExpressionPtr subject);
  Result<ExpressionPtr> test(ExpressionPtr subject);
  Result<void> arguments(Expression* call);  // from "(" to ")"

  ExpressionPtr make(ExpressionKind kind) const;
  // `node` with its height known. Error: too high for the evaluator's stack.
  Result<ExpressionPtr> finish(ExpressionPtr node) const;

  TokenStream& tokens_;
};

}  // namespace issun::chat::jinja
