#include "chat/jinja/eval.h"

namespace issun::chat::jinja {

namespace {

std::string description(const Expression& expression) {
  switch (expression.kind) {
    case ExpressionKind::variable:
      return "'" + expression.name + "'";
    case ExpressionKind::attribute:
      return description(*expression.children[0]) + "." + expression.name;
    case ExpressionKind::item:
      return description(*expression.children[0]) + "[...]";
    case ExpressionKind::call:
      return description(*expression.children[0]) + "(...)";
    default:
      return "the value";
  }
}

Result<bool> holds(Runtime& runtime, Comparator comparator, const Value& a, const Value& b) {
  switch (comparator) {
    case Comparator::equal:
      return equal(runtime, a, b);
    case Comparator::unequal:
      return !TRY(equal(runtime, a, b));
    case Comparator::in:
      return contains(runtime, b, a);
    case Comparator::not_in:
      return !TRY(contains(runtime, b, a));
    case Comparator::below:
      return TRY(compare(runtime, a, b)) < 0;
    case Comparator::at_most:
      return TRY(compare(runtime, a, b)) <= 0;
    case Comparator::above:
      return TRY(compare(runtime, a, b)) > 0;
    case Comparator::at_least:
      return TRY(compare(runtime, a, b)) >= 0;
  }
  return false;
}

Value bound(const Builtin* builtin, const Value& self) {
  auto callable = std::make_shared<Callable>();
  callable->builtin = builtin;
  callable->self = self;
  return callable;
}

}  // namespace

Result<Value> Interpreter::evaluate(const Expression& expression) {
  const Deeper deeper(*this);
  TRY(deeper.check());
  TRY(spend(1));
  line_ = expression.line;
  return evaluate_kind(expression);
}

Result<Value> Interpreter::evaluate_kind(const Expression& expression) {
  const auto child = [&](size_t i) { return evaluate(*expression.children[i]); };
  switch (expression.kind) {
    case ExpressionKind::literal:
      return expression.value;
    case ExpressionKind::variable:
      return variable(expression);
    case ExpressionKind::list:
    case ExpressionKind::tuple:
    case ExpressionKind::dict:
      return literal_container(expression);
    case ExpressionKind::attribute:
      return attribute(expression);
    case ExpressionKind::item:
      return item(expression);
    case ExpressionKind::slice:
      return slice_of(expression);
    case ExpressionKind::call:
      return call_of(expression, nullptr);
    case ExpressionKind::filter:
      return filtered(expression, Value());
    case ExpressionKind::test:
      return test_of(expression);
    case ExpressionKind::negative:
      return negate(TRY(child(0)));
    case ExpressionKind::positive: {
      Value value = TRY(child(0));
      if (!value.is_number()) return fail("+ does not go with {}", value.kind());
      return value;
    }
    case ExpressionKind::not_:
      return Value(!TRY(child(0)).truth());
    case ExpressionKind::and_:
    case ExpressionKind::or_:
      return logic(expression);
    case ExpressionKind::arithmetic: {
      const Value a = TRY(child(0));
      const Value b = TRY(child(1));
      line_ = expression.line;
      return arithmetic(*this, expression.op, a, b);
    }
    case ExpressionKind::concat:
      return concat(expression);
    case ExpressionKind::comparison:
      return comparison(expression);
    case ExpressionKind::conditional:
      if (TRY(child(1)).truth()) return child(0);
      return expression.children[2] == nullptr ? Value() : child(2);
  }
  return Value();
}

Result<Value> Interpreter::variable(const Expression& expression) const {
  if (const Value* found = scope_->find(expression.name)) return *found;
  const Builtin* function = find_global(expression.name);
  return function == nullptr ? Value() : bound(function, Value());
}

Result<Value> Interpreter::literal_container(const Expression& expression) {
  if (expression.kind != ExpressionKind::dict) {
    std::vector<Value> values;
    values.reserve(expression.children.size());
    for (const auto& child : expression.children) values.push_back(TRY(evaluate(*child)));
    return list(std::move(values), expression.kind == ExpressionKind::tuple);
  }
  Value made = TRY(dict());
  for (size_t i = 0; i < expression.children.size(); i += 2) {
    Value key = TRY(evaluate(*expression.children[i]));
    Value value = TRY(evaluate(*expression.children[i + 1]));
    if (!key.is_string() && !key.is_number() && !key.is_none()) {
      return fail("a value of kind {} is no dict key", key.kind());
    }
    TRY(grow(sizeof(Dict::Entry)));
    made.entries().set(std::move(key), std::move(value));
  }
  return made;
}

Result<Value> Interpreter::defined(const Expression& expression) {
  Value value = TRY(evaluate(expression));
  if (value.is_undefined()) return fail("{} is undefined", description(expression));
  return value;
}

Result<Value> Interpreter::attribute(const Expression& expression) {
  const Value subject = TRY(defined(*expression.children[0]));
  line_ = expression.line;
  return attribute_of(subject, expression.name);
}

// As Jinja does: what the kind itself offers comes before the keys of a dict.
Result<Value> Interpreter::attribute_of(const Value& subject, std::string_view name) {
  if (const Builtin* method = find_method(subject, name)) return bound(method, subject);
  if (subject.is_loop()) return subject.loop().attribute(name);
  if (!subject.is_dict() && !subject.is_namespace()) return Value();
  TRY(spend(subject.entries().size() >> 4));
  const Value* found = subject.entries().find(name);
  return found == nullptr ? Value() : *found;
}

Result<Value> Interpreter::item(const Expression& expression) {
  const Value subject = TRY(defined(*expression.children[0]));
  const Value key = TRY(evaluate(*expression.children[1]));
  line_ = expression.line;
  Value found = TRY(subscript(*this, subject, key));
  if (!found.is_undefined() || !key.is_string()) return found;
  return attribute_of(subject, key.text());
}

Result<Value> Interpreter::slice_of(const Expression& expression) {
  const Value subject = TRY(defined(*expression.children[0]));
  Slice bounds;
  std::optional<int64_t>* const parts[] = {&bounds.begin, &bounds.end, &bounds.step};
  for (size_t i = 1; i < expression.children.size(); ++i) {
    if (expression.children[i] == nullptr) continue;
    const Value bound = TRY(evaluate(*expression.children[i]));
    if (bound.is_none()) continue;
    if (!bound.is_integer()) return fail("a slice expects integers, found {}", bound.kind());
    *parts[i - 1] = bound.integer();
  }
  line_ = expression.line;
  return slice(*this, subject, bounds);
}

Result<Value> Interpreter::call_of(const Expression& expression, const Value* caller) {
  const Expression& callee = *expression.children[0];
  const Value function = TRY(defined(callee));
  Arguments arguments = TRY(arguments_of(expression));
  if (caller != nullptr) arguments.keyword.emplace_back("caller", *caller);
  line_ = expression.line;
  if (!function.is_callable()) return fail("{} is no function", description(callee));
  return call(function, std::move(arguments));
}

Result<Value> Interpreter::logic(const Expression& expression) {
  const bool stops_at = expression.kind == ExpressionKind::or_;
  Value value;
  for (const auto& child : expression.children) {
    value = TRY(evaluate(*child));
    if (value.truth() == stops_at) break;
  }
  return value;
}

Result<Value> Interpreter::concat(const Expression& expression) {
  TextSink sink(*this);
  for (const auto& child : expression.children) {
    TRY(append_str(sink, TRY(evaluate(*child))));
  }
  return std::move(sink).value();
}

Result<Value> Interpreter::comparison(const Expression& expression) {
  Value left = TRY(evaluate(*expression.children[0]));
  for (size_t i = 0; i < expression.comparators.size(); ++i) {
    Value right = TRY(evaluate(*expression.children[i + 1]));
    line_ = expression.line;
    if (!TRY(holds(*this, expression.comparators[i], left, right))) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

Result<Value> Interpreter::test_of(const Expression& expression) {
  const Value subject = TRY(evaluate(*expression.children[0]));
  Arguments arguments = TRY(arguments_of(expression));
  line_ = expression.line;
  const bool held = TRY(test(expression.name, subject, std::move(arguments)));
  return Value(held != expression.negated);
}

Result<Value> Interpreter::filtered(const Expression& expression, const Value& text) {
  if (expression.kind != ExpressionKind::filter) return evaluate(expression);
  const ExpressionPtr& inner = expression.children[0];
  const Value subject = inner == nullptr ? text : TRY(filtered(*inner, text));
  Arguments arguments = TRY(arguments_of(expression));
  line_ = expression.line;
  return filter(expression.name, subject, std::move(arguments));
}

Result<Arguments> Interpreter::arguments_of(const Expression& expression) {
  Arguments arguments;
  for (const auto& argument : expression.arguments) {
    arguments.positional.push_back(TRY(evaluate(*argument)));
  }
  for (const auto& [name, argument] : expression.named_arguments) {
    arguments.keyword.emplace_back(name, TRY(evaluate(*argument)));
  }
  if (expression.more_arguments != nullptr) {
    const Value more = TRY(evaluate(*expression.more_arguments));
    std::vector<Value> values = TRY(iterate(*this, more));
    for (Value& value : values) arguments.positional.push_back(std::move(value));
  }
  if (expression.more_named_arguments != nullptr) {
    const Value more = TRY(evaluate(*expression.more_named_arguments));
    if (!more.is_dict()) return fail("** expects a dict, found {}", more.kind());
    for (const auto& [key, value] : more.entries().entries()) {
      if (!key.is_string()) return fail("** expects names, found a key of kind {}", key.kind());
      arguments.keyword.emplace_back(key.text(), value);
    }
  }
  return arguments;
}

}  // namespace issun::chat::jinja
