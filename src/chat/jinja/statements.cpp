#include <algorithm>

#include "chat/jinja/eval.h"

namespace issun::chat::jinja {

const Value* Scope::find(std::string_view name) const {
  for (const Scope* scope = this; scope != nullptr; scope = scope->parent.get()) {
    for (const auto& [variable, value] : scope->variables) {
      if (variable == name) return &value;
    }
  }
  return nullptr;
}

void Scope::set(std::string_view name, Value value) {
  for (auto& [variable, old] : variables) {
    if (variable == name) {
      old = std::move(value);
      return;
    }
  }
  variables.emplace_back(name, std::move(value));
}

Result<Rendering> Interpreter::render(const Body& body, const Globals& globals,
                                      const Globals& input) {
  scope_ = std::make_shared<Scope>();
  for (const Globals* variables : {&globals, &input}) {
    for (const auto& [name, value] : *variables) {
      const Result<Value> own = copy(value, variables == &input);
      if (!own) return fail("variable '{}': {}", name, own.error().message);
      scope_->set(name, *own);
    }
  }
  TextSink out(*this);
  scope_ = inner_scope();
  const Result<Flow> done = execute(body, out);
  if (!done) return fail("line {}: {}", line_, done.error().message);
  return Rendering{out.text(), out.input()};
}

Result<Value> Interpreter::call(const Value& callable, Arguments arguments) {
  if (!callable.is_callable()) return fail("a value of kind {} cannot be called", callable.kind());
  const Callable& function = callable.callable();
  if (function.builtin == nullptr) return call_macro(function, std::move(arguments));
  return call_builtin(*this, *function.builtin, function.self, std::move(arguments));
}

std::shared_ptr<Scope> Interpreter::inner_scope() const {
  auto scope = std::make_shared<Scope>();
  scope->parent = scope_;
  return scope;
}

Result<Interpreter::Flow> Interpreter::execute(const Body& body, TextSink& out) {
  for (const Statement& statement : body) {
    const Flow flow = TRY(execute(statement, out));
    if (flow != Flow::next) return flow;
  }
  return Flow::next;
}

Result<Interpreter::Flow> Interpreter::execute_in(const Body& body, TextSink& out,
                                                  std::shared_ptr<Scope> scope) {
  std::swap(scope_, scope);
  const Flow flow = TRY(execute(body, out));
  std::swap(scope_, scope);
  return flow;
}

Result<Interpreter::Flow> Interpreter::execute(const Statement& statement, TextSink& out) {
  const Deeper deeper(*this);
  TRY(deeper.check());
  TRY(spend(1));
  line_ = statement.line;
  switch (statement.kind) {
    case StatementKind::text:
      TRY(out.add(statement.name));
      break;
    case StatementKind::output:
      TRY(append_str(out, TRY(evaluate(*statement.expression))));
      break;
    case StatementKind::evaluate:
      TRY(evaluate(*statement.expression));
      break;
    case StatementKind::if_:
      return if_(statement, out);
    case StatementKind::for_:
      return for_(statement, out);
    case StatementKind::set: {
      const Value value = TRY(evaluate(*statement.expression));
      line_ = statement.line;
      TRY(assign(statement.target, value));
      break;
    }
    case StatementKind::set_block:
      TRY(assign(statement.target, TRY(captured(statement))));
      break;
    case StatementKind::macro:
      scope_->set(statement.name, TRY(macro_of(statement)));
      break;
    case StatementKind::call:
      TRY(call_block(statement, out));
      break;
    case StatementKind::filter:
      TRY(append_str(out, TRY(captured(statement))));
      break;
    case StatementKind::with:
      return with(statement, out);
    case StatementKind::group:
      return execute_in(statement.body, out, inner_scope());
    case StatementKind::break_:
      return Flow::break_;
    case StatementKind::continue_:
      return Flow::continue_;
  }
  if (static_cast<int64_t>(out.text().size()) > limits().output_bytes) {
    return fail("more than {} bytes of output", limits().output_bytes);
  }
  return Flow::next;
}

Result<Interpreter::Flow> Interpreter::if_(const Statement& statement, TextSink& out) {
  for (const Statement::Branch& branch : statement.branches) {
    const bool taken = branch.condition == nullptr || TRY(evaluate(*branch.condition)).truth();
    if (taken) return execute(branch.body, out);
  }
  return Flow::next;
}

Result<std::vector<Value>> Interpreter::loop_items(const Statement& statement) {
  const Value sequence = TRY(evaluate(*statement.expression));
  line_ = statement.line;
  std::vector<Value> items = TRY(iterate(*this, sequence));
  if (statement.condition == nullptr) return items;
  std::vector<Value> kept;
  std::shared_ptr<Scope> outer = scope_;
  scope_ = inner_scope();
  for (const Value& value : items) {
    TRY(assign(statement.target, value));
    if (TRY(evaluate(*statement.condition)).truth()) kept.push_back(value);
  }
  scope_ = std::move(outer);
  return kept;
}

Result<Interpreter::Flow> Interpreter::for_(const Statement& statement, TextSink& out) {
  std::vector<Value> items = TRY(loop_items(statement));
  if (items.empty()) return execute_in(statement.otherwise, out, inner_scope());
  const Value* around = scope_->find("loop");
  auto loop = std::make_shared<Loop>();
  loop->items = TRY(list(std::move(items))).shared_list();
  loop->depth = around != nullptr && around->is_loop() ? around->loop().depth + 1 : 1;
  const std::shared_ptr<Scope> outer = scope_;
  for (const Value& value : std::vector<Value>(loop->items->values)) {
    TRY(spend(1));
    line_ = statement.line;
    scope_ = inner_scope();
    scope_->set("loop", Value(loop));
    TRY(assign(statement.target, value));
    const Flow flow = TRY(execute(statement.body, out));
    scope_ = outer;
    if (flow == Flow::break_) break;
    ++loop->index;
  }
  return Flow::next;
}

Result<Value> Interpreter::captured(const Statement& statement) {
  TextSink inside(*this);
  TRY(execute_in(statement.body, inside, inner_scope()));
  Value text = std::move(inside).value();
  line_ = statement.line;
  if (statement.expression == nullptr) return text;
  return filtered(*statement.expression, text);
}

Result<void> Interpreter::assign(const Target& target, const Value& value) {
  if (!target.attribute.empty()) {
    const Value* object = scope_->find(target.name);
    if (object == nullptr || !object->is_namespace()) {
      return fail("cannot assign to {}.{}: {} is no namespace", target.name, target.attribute,
                  target.name);
    }
    TRY(grow(sizeof(Dict::Entry)));
    object->entries().set(target.attribute, value);
    return {};
  }
  if (target.tuple.empty()) {
    scope_->set(target.name, value);
    return {};
  }
  const std::vector<Value> values = TRY(iterate(*this, value));
  if (values.size() != target.tuple.size()) {
    return fail("expected {} values to unpack, found {}", target.tuple.size(), values.size());
  }
  for (size_t i = 0; i < values.size(); ++i) TRY(assign(target.tuple[i], values[i]));
  return {};
}

Result<Value> Interpreter::macro_of(const Statement& statement) {
  TRY(grow(sizeof(Callable)));
  auto macro = std::make_shared<Callable>();
  macro->macro = &statement;
  macro->scope = scope_;
  return Value(std::move(macro));
}

Result<void> Interpreter::call_block(const Statement& statement, TextSink& out) {
  const Value caller = TRY(macro_of(statement));
  return append_str(out, TRY(call_of(*statement.expression, &caller)));
}

Result<Interpreter::Flow> Interpreter::with(const Statement& statement, TextSink& out) {
  std::shared_ptr<Scope> inside = inner_scope();
  // The values see the variables outside, not each other.
  std::vector<Value> values;
  for (const auto& assignment : statement.assignments) {
    values.push_back(TRY(evaluate(*assignment.second)));
  }
  std::swap(scope_, inside);
  for (size_t i = 0; i < values.size(); ++i) {
    TRY(assign(statement.assignments[i].first, values[i]));
  }
  const Flow flow = TRY(execute(statement.body, out));
  std::swap(scope_, inside);
  return flow;
}

Result<Value> Interpreter::call_macro(const Callable& callable, Arguments arguments) {
  const Deeper deeper(*this);
  TRY(deeper.check());
  const Statement& macro = *callable.macro;
  const std::shared_ptr<Scope> outside = callable.scope.lock();
  if (outside == nullptr) {
    return fail("macro '{}' called outside of the block that defines it", macro.name);
  }
  if (arguments.positional.size() > macro.parameters.size()) {
    return fail("macro '{}': expected at most {} arguments, found {}", macro.name,
                macro.parameters.size(), arguments.positional.size());
  }
  const std::shared_ptr<Scope> from = std::exchange(scope_, outside);
  scope_ = inner_scope();
  for (size_t i = 0; i < macro.parameters.size(); ++i) {
    const Statement::Parameter& parameter = macro.parameters[i];
    auto& named = arguments.keyword;
    const auto found = std::find_if(named.begin(), named.end(),
                                    [&](const auto& pair) { return pair.first == parameter.name; });
    Value value;
    if (i < arguments.positional.size()) {
      value = arguments.positional[i];
    } else if (found != named.end()) {
      value = std::move(found->second);
      named.erase(found);
    } else if (parameter.otherwise != nullptr) {
      value = TRY(evaluate(*parameter.otherwise));
    }
    scope_->set(parameter.name, std::move(value));
  }
  for (auto& [name, value] : arguments.keyword) {
    if (name != "caller") return fail("macro '{}': no parameter '{}'", macro.name, name);
    scope_->set("caller", std::move(value));
  }
  TextSink out(*this);
  TRY(execute(macro.body, out));
  scope_ = from;
  return std::move(out).value();
}

}  // namespace issun::chat::jinja
