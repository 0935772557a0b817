#include "chat/jinja/operators.h"

#include <cmath>
#include <limits>

#include "chat/jinja/format.h"
#include "chat/jinja/text.h"

namespace issun::chat::jinja {

namespace {

const char* symbol(Operator op) {
  switch (op) {
    case Operator::add:
      return "+";
    case Operator::subtract:
      return "-";
    case Operator::multiply:
      return "*";
    case Operator::divide:
      return "/";
    case Operator::floor_divide:
      return "//";
    case Operator::modulo:
      return "%";
    case Operator::power:
      return "**";
  }
  return "?";
}

Result<Value> integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) return fail("zero to a negative power");
    return Value(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  int64_t result = 1;
  for (bool overflow = false; exponent > 0; exponent >>= 1) {
    if (exponent & 1) overflow = __builtin_mul_overflow(result, base, &result);
    if (overflow) return fail("integer overflow in **");
    if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) {
      return fail("integer overflow in **");
    }
  }
  return Value(result);
}

Result<Value> integer_arithmetic(Operator op, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflow = false;
  switch (op) {
    case Operator::add:
      overflow = __builtin_add_overflow(a, b, &result);
      break;
    case Operator::subtract:
      overflow = __builtin_sub_overflow(a, b, &result);
      break;
    case Operator::multiply:
      overflow = __builtin_mul_overflow(a, b, &result);
      break;
    case Operator::power:
      return integer_power(a, b);
    default:
      if (b == 0) return fail("division by zero");
      if (op == Operator::divide) return Value(static_cast<double>(a) / static_cast<double>(b));
      overflow = a == std::numeric_limits<int64_t>::min() && b == -1;
      if (overflow) break;
      const bool below = a % b != 0 && (a < 0) != (b < 0);  // Python rounds towards minus infinity
      result = op == Operator::floor_divide ? a / b - below : a % b + (below ? b : 0);
  }
  if (overflow) return fail("integer overflow in {}", symbol(op));
  return Value(result);
}

Result<Value> float_arithmetic(Operator op, double a, double b) {
  switch (op) {
    case Operator::add:
      return Value(a + b);
    case Operator::subtract:
      return Value(a - b);
    case Operator::multiply:
      return Value(a * b);
    case Operator::power:
      return Value(std::pow(a, b));
    default:
      break;
  }
  if (b == 0) return fail("division by zero");
  if (op == Operator::divide) return Value(a / b);
  if (op == Operator::floor_divide) return Value(std::floor(a / b));
  const double rest = std::fmod(a, b);
  return Value(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
}

Result<Value> repeat(Runtime& runtime, const Value& value, int64_t count) {
  count = std::max<int64_t>(count, 0);
  const auto size =
      static_cast<int64_t>(value.is_string() ? value.text().size() : value.items().values.size());
  int64_t total = 0;
  if (__builtin_mul_overflow(size, count, &total)) return fail("more than 2^63 items in *");
  if (value.is_string()) {
    TRY(runtime.grow(total));
    Text text;
    text.chars.reserve(total);
    for (int64_t i = 0; i < count && size > 0; ++i) {
      text.input.append(value.input(), 0, value.text().size(), text.chars.size());
      text.chars += value.text();
    }
    return Value(std::move(text));
  }
  TRY(runtime.grow(std::min<int64_t>(total, int64_t{1} << 55) * 32));
  std::vector<Value> values;
  values.reserve(total);
  for (int64_t i = 0; i < count && size > 0; ++i) {
    values.insert(values.end(), value.items().values.begin(), value.items().values.end());
  }
  return runtime.list(std::move(values), value.is_tuple());
}

// A position counted from the end brought into [low, high].
int64_t clamp_position(int64_t position, int64_t count, int64_t low, int64_t high) {
  if (position < 0) position = position < -count ? -1 : position + count;
  return std::min(std::max(position, low), high);
}

}  // namespace

Result<Value> arithmetic(Runtime& runtime, Operator op, const Value& a, const Value& b) {
  TRY(runtime.spend(1));
  if (a.is_number() && b.is_number()) {
    if (!a.is_float() && !b.is_float()) return integer_arithmetic(op, a.integer(), b.integer());
    return float_arithmetic(op, a.number(), b.number());
  }
  if (op == Operator::add && a.is_sequence() && b.is_sequence() && a.is_tuple() == b.is_tuple()) {
    std::vector<Value> values = a.items().values;
    TRY(runtime.grow(static_cast<int64_t>(values.size())));
    values.insert(values.end(), b.items().values.begin(), b.items().values.end());
    return runtime.list(std::move(values), a.is_tuple());
  }
  const bool texts = (a.is_string() && !b.is_undefined() && !b.is_none()) ||
                     (b.is_string() && !a.is_undefined() && !a.is_none());
  if (op == Operator::add && texts) {
    TextSink sink(runtime);
    TRY(append_str(sink, a));
    TRY(append_str(sink, b));
    return std::move(sink).value();
  }
  if (op == Operator::multiply) {
    if ((a.is_string() || a.is_sequence()) && b.is_integer())
      return repeat(runtime, a, b.integer());
    if ((b.is_string() || b.is_sequence()) && a.is_integer())
      return repeat(runtime, b, a.integer());
  }
  if (op == Operator::modulo && a.is_string()) return percent_format(runtime, a, b);
  return fail("{} does not go with {} and {}", symbol(op), a.kind(), b.kind());
}

Result<Value> negate(const Value& value) {
  if (value.is_float()) return Value(-value.number());
  if (!value.is_number()) return fail("- does not go with {}", value.kind());
  return integer_arithmetic(Operator::subtract, 0, value.integer());
}

Result<bool> equal(Runtime& runtime, const Value& a, const Value& b) {
  TRY(runtime.spend(1));
  if (a.is_number() && b.is_number()) {
    if (!a.is_float() && !b.is_float()) return a.integer() == b.integer();
    return a.number() == b.number();
  }
  if (a.is_string() && b.is_string()) {
    TRY(runtime.spend(static_cast<int64_t>(a.text().size()) >> 6));
    return a.text() == b.text();
  }
  if (a.is_undefined() || b.is_undefined()) return a.is_undefined() && b.is_undefined();
  if (a.is_none() || b.is_none()) return a.is_none() && b.is_none();
  if (a.same_object(b)) return true;
  const Deeper deeper(runtime);
  TRY(deeper.check());
  if (a.is_sequence() && b.is_sequence() && a.is_tuple() == b.is_tuple()) {
    const auto& left = a.items().values;
    const auto& right = b.items().values;
    if (left.size() != right.size()) return false;
    for (size_t i = 0; i < left.size(); ++i) {
      if (!TRY(equal(runtime, left[i], right[i]))) return false;
    }
    return true;
  }
  if (a.is_dict() && b.is_dict()) {
    if (a.entries().size() != b.entries().size()) return false;
    for (const auto& [key, value] : a.entries().entries()) {
      const Value* other = b.entries().find_key(key);
      if (other == nullptr || !TRY(equal(runtime, value, *other))) return false;
    }
    return true;
  }
  return false;
}

Result<int> compare(Runtime& runtime, const Value& a, const Value& b) {
  TRY(runtime.spend(1));
  if (a.is_number() && b.is_number()) {
    if (!a.is_float() && !b.is_float()) {
      return (a.integer() > b.integer()) - (a.integer() < b.integer());
    }
    return (a.number() > b.number()) - (a.number() < b.number());
  }
  if (a.is_string() && b.is_string()) {
    TRY(runtime.spend(static_cast<int64_t>(a.text().size()) >> 6));
    return a.text().compare(b.text());
  }
  if (a.is_sequence() && b.is_sequence() && a.is_tuple() == b.is_tuple()) {
    const Deeper deeper(runtime);
    TRY(deeper.check());
    const auto& left = a.items().values;
    const auto& right = b.items().values;
    for (size_t i = 0; i < left.size() && i < right.size(); ++i) {
      if (TRY(equal(runtime, left[i], right[i]))) continue;
      return compare(runtime, left[i], right[i]);
    }
    return (left.size() > right.size()) - (left.size() < right.size());
  }
  return fail("no order between {} and {}", a.kind(), b.kind());
}

Result<bool> contains(Runtime& runtime, const Value& container, const Value& item) {
  TRY(runtime.spend(1));
  if (container.is_string()) {
    if (!item.is_string()) return fail("'in' a str expects a str, found {}", item.kind());
    TRY(runtime.spend(static_cast<int64_t>(container.text().size()) >> 4));
    return container.text().find(item.text()) != std::string::npos;
  }
  if (container.is_dict()) {
    TRY(runtime.spend(container.entries().size() >> 4));
    return container.entries().find_key(item) != nullptr;
  }
  if (container.is_undefined()) return false;
  if (!container.is_sequence()) return fail("'in' expects a container, found {}", container.kind());
  for (const Value& value : container.items().values) {
    if (TRY(equal(runtime, value, item))) return true;
  }
  return false;
}

Result<Value> subscript(Runtime& runtime, const Value& container, const Value& key) {
  TRY(runtime.spend(1));
  if (container.is_dict()) {
    TRY(runtime.spend(container.entries().size() >> 4));
    const Value* found = container.entries().find_key(key);
    return found == nullptr ? Value() : *found;
  }
  const bool position = key.is_integer() || key.is_bool();
  if (!position || !(container.is_sequence() || container.is_string())) return Value();
  const int64_t count = TRY(length(runtime, container));
  int64_t at = key.integer();
  if (at < 0) at += count;
  if (at < 0 || at >= count) return Value();
  if (container.is_sequence()) return container.items().values[at];
  return runtime.text(container, code_points(container.text(), at, at + 1));
}

Result<Value> slice(Runtime& runtime, const Value& container, const Slice& slice) {
  if (container.is_undefined()) return fail("cannot slice an undefined value");
  if (!container.is_sequence() && !container.is_string()) {
    return fail("cannot slice a value of kind {}", container.kind());
  }
  const int64_t step = slice.step.value_or(1);
  if (step == 0) return fail("slice step 0");
  const int64_t count = TRY(length(runtime, container));
  // Python's rules: forwards from 0 to count, backwards from count - 1 down to before 0.
  const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? count : count - 1;
  const int64_t begin =
      slice.begin ? clamp_position(*slice.begin, count, low, high) : (step > 0 ? low : high);
  const int64_t end =
      slice.end ? clamp_position(*slice.end, count, low, high) : (step > 0 ? high : low);
  if (container.is_string() && step == 1) {
    return runtime.text(container, code_points(container.text(), begin, std::max(begin, end)));
  }
  const std::vector<Value> items = TRY(iterate(runtime, container));
  std::vector<Value> chosen;
  for (int64_t i = begin; step > 0 ? i < end : i > end;) {
    chosen.push_back(items[i]);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  if (container.is_sequence()) return runtime.list(std::move(chosen), container.is_tuple());
  TextSink sink(runtime);
  for (const Value& piece : chosen) TRY(sink.add_all(piece));
  return std::move(sink).value();
}

Result<std::vector<Value>> iterate(Runtime& runtime, const Value& value) {
  std::vector<Value> items;
  if (value.is_undefined()) return items;
  if (value.is_sequence()) {
    TRY(runtime.spend(static_cast<int64_t>(value.items().values.size()) >> 2));
    return value.items().values;
  }
  if (value.is_dict()) {
    TRY(runtime.spend(value.entries().size()));
    for (const auto& [key, item] : value.entries().entries()) items.push_back(key);
    return items;
  }
  if (!value.is_string()) return fail("cannot iterate over a value of kind {}", value.kind());
  std::string_view text = value.text();
  // Each code point becomes a shared text of its own.
  TRY(runtime.grow(static_cast<int64_t>(text.size()) * 64));
  while (!text.empty()) {
    const int bytes = code_point_bytes(text);
    items.push_back(TRY(runtime.text(value, text.substr(0, bytes))));
    text.remove_prefix(bytes);
  }
  return items;
}

Result<int64_t> length(Runtime& runtime, const Value& value) {
  if (value.is_undefined()) return 0;
  if (value.is_sequence()) return static_cast<int64_t>(value.items().values.size());
  if (value.is_dict()) return value.entries().size();
  if (!value.is_string()) return fail("a value of kind {} has no length", value.kind());
  TRY(runtime.spend(static_cast<int64_t>(value.text().size()) >> 4));
  return count_code_points(value.text());
}

}  // namespace issun::chat::jinja
