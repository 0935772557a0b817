// The tests of {% if x is ... %}.
#include "chat/jinja/callable.h"
#include "chat/jinja/operators.h"
#include "chat/jinja/text.h"

namespace issun::chat::jinja {

namespace {

template <bool (*holds)(const Value&)>
Result<Value> kind_test(Call& call) {
  return Value(holds(call.self));
}

// What is left of the subject divided by `divisor`.
Result<double> rest(const Call& call, const Value& divisor) {
  const Value rest = TRY(arithmetic(call.runtime, Operator::modulo, call.self, divisor));
  if (!rest.is_number()) return fail("expected a number, found {}", call.self.kind());
  return rest.number();
}

Result<Value> even(Call& call) { return Value(TRY(rest(call, 2)) == 0); }
Result<Value> odd(Call& call) { return Value(TRY(rest(call, 2)) == 1); }
Result<Value> divisible(Call& call) { return Value(TRY(rest(call, call.args[0])) == 0); }

Result<Value> same(Call& call) {
  const Value& a = call.self;
  const Value& b = call.args[0];
  if (a.is_number() && b.is_number() && a.is_bool() != b.is_bool()) return Value(false);
  if (a.is_sequence() || a.is_dict() || a.is_namespace()) return Value(a.same_object(b));
  return Value(TRY(equal(call.runtime, a, b)));
}

Result<Value> equals(Call& call) {
  return Value(TRY(equal(call.runtime, call.self, call.args[0])));
}
Result<Value> differs(Call& call) {
  return Value(!TRY(equal(call.runtime, call.self, call.args[0])));
}
Result<Value> below(Call& call) {
  return Value(TRY(compare(call.runtime, call.self, call.args[0])) < 0);
}
Result<Value> at_most(Call& call) {
  return Value(TRY(compare(call.runtime, call.self, call.args[0])) <= 0);
}
Result<Value> above(Call& call) {
  return Value(TRY(compare(call.runtime, call.self, call.args[0])) > 0);
}
Result<Value> at_least(Call& call) {
  return Value(TRY(compare(call.runtime, call.self, call.args[0])) >= 0);
}
Result<Value> in(Call& call) { return Value(TRY(contains(call.runtime, call.args[0], call.self))); }

Result<Value> has_case(Call& call, std::string (*mapped)(std::string_view),
                       std::string (*other)(std::string_view)) {
  const std::string text = TRY(to_text(call.runtime, call.self));
  return Value(mapped(text) == text && other(text) != text);
}
Result<Value> is_lower(Call& call) { return has_case(call, lower, upper); }
Result<Value> is_upper(Call& call) { return has_case(call, upper, lower); }

Result<Value> is_filter(Call& call) {
  return Value(call.self.is_string() && find_filter(call.self.text()) != nullptr);
}
Result<Value> is_test(Call& call) {
  return Value(call.self.is_string() && find_test(call.self.text()) != nullptr);
}

bool is_defined(const Value& v) { return !v.is_undefined(); }
bool is_undefined(const Value& v) { return v.is_undefined(); }
bool is_none(const Value& v) { return v.is_none(); }
bool is_boolean(const Value& v) { return v.is_bool(); }
bool is_true(const Value& v) { return v.is_bool() && v.boolean(); }
bool is_false(const Value& v) { return v.is_bool() && !v.boolean(); }
bool is_integer(const Value& v) { return v.is_integer(); }
bool is_float(const Value& v) { return v.is_float(); }
bool is_number(const Value& v) { return v.is_number(); }
bool is_string(const Value& v) { return v.is_string(); }
bool is_mapping(const Value& v) { return v.is_dict(); }
// Jinja counts as a sequence what has a length and items: text, dicts and the undefined too.
bool is_sequence(const Value& v) {
  return v.is_sequence() || v.is_string() || v.is_dict() || v.is_undefined();
}
bool is_callable(const Value& v) { return v.is_callable(); }
bool is_escaped(const Value&) { return false; }

constexpr Builtin kTests[] = {
    {"defined", "", kind_test<is_defined>},
    {"undefined", "", kind_test<is_undefined>},
    {"none", "", kind_test<is_none>},
    {"boolean", "", kind_test<is_boolean>},
    {"true", "", kind_test<is_true>},
    {"false", "", kind_test<is_false>},
    {"integer", "", kind_test<is_integer>},
    {"float", "", kind_test<is_float>},
    {"number", "", kind_test<is_number>},
    {"string", "", kind_test<is_string>},
    {"mapping", "", kind_test<is_mapping>},
    {"sequence", "", kind_test<is_sequence>},
    {"iterable", "", kind_test<is_sequence>},
    {"callable", "", kind_test<is_callable>},
    {"escaped", "", kind_test<is_escaped>},
    {"filter", "", is_filter},
    {"test", "", is_test},
    {"even", "", even},
    {"odd", "", odd},
    {"divisibleby", "num", divisible},
    {"lower", "", is_lower},
    {"upper", "", is_upper},
    {"sameas", "other", same},
    {"in", "seq", in},
    {"eq", "other", equals},
    {"equalto", "other", equals},
    {"==", "other", equals},
    {"ne", "other", differs},
    {"!=", "other", differs},
    {"lt", "other", below},
    {"lessthan", "other", below},
    {"<", "other", below},
    {"le", "other", at_most},
    {"<=", "other", at_most},
    {"gt", "other", above},
    {"greaterthan", "other", above},
    {">", "other", above},
    {"ge", "other", at_least},
    {">=", "other", at_least},
};

}  // namespace

const Builtin* find_test(std::string_view name) { return find_in(kTests, name); }

}  // namespace issun::chat::jinja
