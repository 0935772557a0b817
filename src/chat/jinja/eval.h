// Renders a syntax tree. One Interpreter renders once.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "chat/jinja/ast.h"
#include "chat/jinja/callable.h"
#include "chat/jinja/runtime.h"

namespace issun::chat::jinja {

// The variables of a loop pass, macro call or block. The names live in the syntax tree or in
// Globals.
struct Scope {
  std::shared_ptr<Scope> parent;
  std::vector<std::pair<std::string_view, Value>> variables;

  const Value* find(std::string_view name) const;  // here or further out; nullptr when nowhere
  void set(std::string_view name, Value value);    // here
};

// What a template finds defined besides the builtin functions.
using Globals = std::vector<Value::Pair>;

struct Rendering {
  std::string text;
  InputRanges input;  // what of it the template did not write
};

class Interpreter final : public Runtime {
 public:
  Interpreter(const Limits& limits, int64_t clock) : Runtime(limits, clock) {}

  // Error: what the template did wrong or refused (raise_exception), or a limit; the message starts
  // with the line. The texts of `input` are kept apart from what the template writes.
  Result<Rendering> render(const Body& body, const Globals& globals, const Globals& input = {});

  Result<Value> call(const Value& callable, Arguments arguments) override;

 private:
  enum class Flow { next, break_, continue_ };

  // Statements: statements.cpp.
  Result<Flow> execute(const Body& body, TextSink& out);
  Result<Flow> execute(const Statement& statement, TextSink& out);
  Result<Flow> execute_in(const Body& body, TextSink& out, std::shared_ptr<Scope> scope);
  Result<Flow> if_(const Statement& statement, TextSink& out);
  Result<Flow> for_(const Statement& statement, TextSink& out);
  Result<std::vector<Value>> loop_items(const Statement& statement);
  Result<Value> captured(const Statement& statement);  // the text of its body
  Result<void> assign(const Target& target, const Value& value);
  Result<void> call_block(const Statement& statement, TextSink& out);
  Result<Flow> with(const Statement& statement, TextSink& out);
  Result<Value> call_macro(const Callable& callable, Arguments arguments);
  Result<Value> macro_of(const Statement& statement);
  std::shared_ptr<Scope> inner_scope() const;

  // Expressions: expressions.cpp.
  Result<Value> evaluate(const Expression& expression);
  Result<Value> evaluate_kind(const Expression& expression);
  Result<Value> variable(const Expression& expression) const;
  Result<Value> literal_container(const Expression& expression);
  Result<Value> attribute(const Expression& expression);
  Result<Value> attribute_of(const Value& subject, std::string_view name);
  Result<Value> item(const Expression& expression);
  Result<Value> slice_of(const Expression& expression);
  Result<Value> call_of(const Expression& expression, const Value* caller);
  Result<Value> logic(const Expression& expression);
  Result<Value> concat(const Expression& expression);
  Result<Value> comparison(const Expression& expression);
  Result<Value> test_of(const Expression& expression);
  // The filters of a filter block applied to its text.
  Result<Value> filtered(const Expression& expression, const Value& text);
  Result<Arguments> arguments_of(const Expression& expression);
  // The subject of . or [] or (); error when it is undefined.
  Result<Value> defined(const Expression& expression);

  std::shared_ptr<Scope> scope_;
  int line_ = 1;  // of what is being evaluated
};

}  // namespace issun::chat::jinja
