// What the operators of a template mean for each kind of value; Python's rules, with one leniency:
// text + anything joins their texts, since templates in use rely on it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "chat/jinja/runtime.h"
#include "chat/jinja/value.h"

namespace issun::chat::jinja {

enum class Operator { add, subtract, multiply, divide, floor_divide, modulo, power };

// Error: kinds that do not go together, integer overflow (integers have 64 bits), division by zero.
Result<Value> arithmetic(Runtime& runtime, Operator op, const Value& a, const Value& b);
Result<Value> negate(const Value& value);

Result<bool> equal(Runtime& runtime, const Value& a, const Value& b);
// Below, at or above zero as a is below, at or above b. Error: kinds without a common order.
Result<int> compare(Runtime& runtime, const Value& a, const Value& b);
Result<bool> contains(Runtime& runtime, const Value& container, const Value& item);

// a[key]; undefined where there is none. Negative positions count from the end.
Result<Value> subscript(Runtime& runtime, const Value& container, const Value& key);
struct Slice {
  std::optional<int64_t> begin, end, step;
};
Result<Value> slice(Runtime& runtime, const Value& container, const Slice& slice);

// What a for loop sees: items, keys, or code points. Error: not iterable.
Result<std::vector<Value>> iterate(Runtime& runtime, const Value& value);
Result<int64_t> length(Runtime& runtime, const Value& value);

// Python's str() and repr(), appended. Undefined is the empty text.
Result<void> append_str(TextSink& out, const Value& value);
Result<void> append_repr(TextSink& out, const Value& value);
Result<Value> as_text(Runtime& runtime, const Value& value);  // its str()
Result<std::string> to_text(Runtime& runtime, const Value& value);
std::string float_text(double number);

}  // namespace issun::chat::jinja
