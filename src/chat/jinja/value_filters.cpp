#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "chat/jinja/filters.h"
#include "chat/jinja/json.h"
#include "chat/jinja/operators.h"
#include "chat/jinja/text.h"

namespace issun::chat::jinja {

namespace {

Result<Value> otherwise(Call& call) {
  const bool falsy_too = call.has(1) && call.args[1].truth();
  const bool keep = falsy_too ? call.self.truth() : !call.self.is_undefined();
  if (keep) return call.self;
  return call.has(0) ? call.args[0] : Value("");
}

Result<Value> absolute(Call& call) {
  if (call.self.is_float()) return Value(std::fabs(call.self.number()));
  if (!call.self.is_number()) return fail("expected a number, found {}", call.self.kind());
  return call.self.integer() < 0 ? negate(call.self) : Value(call.self.integer());
}

Result<Value> round(Call& call) {
  if (!call.self.is_number()) return fail("expected a number, found {}", call.self.kind());
  const int64_t digits = TRY(call.integer(0, 0));
  const std::string_view method = call.has(1) ? TRY(call.text(1)) : "common";
  if (digits < 0 || digits > 15) return fail("expected 0 to 15 digits, found {}", digits);
  const double number = call.self.number();
  if (method == "common") {
    if (!call.self.is_float()) return Value(call.self.integer());
    // Through decimal digits, so that 2.675 (which is a little less) becomes 2.67, as in Python.
    return Value(std::strtod(fmt::format("{:.{}f}", number, digits).c_str(), nullptr));
  }
  const double scale = std::pow(10.0, static_cast<double>(digits));
  if (method == "ceil") return Value(std::ceil(number * scale) / scale);
  if (method == "floor") return Value(std::floor(number * scale) / scale);
  return fail("expected common, ceil or floor, found '{}'", method);
}

// The number that all of `text` but blanks at its ends spells; undefined when it spells none.
Value parsed_number(std::string_view text, int base) {
  text = strip(text);
  const std::string digits(text.starts_with('+') ? text.substr(1) : text);
  if (digits.empty() || is_space(code_point(digits)) || digits.starts_with('+')) return {};
  const char* end = digits.data() + digits.size();
  int64_t integer = 0;
  const auto whole = std::from_chars(digits.data(), end, integer, base);
  if (whole.ec == std::errc() && whole.ptr == end) return Value(integer);
  const bool decimal = digits.find_first_not_of("-+.0123456789eE") == std::string::npos;
  char* stop = nullptr;
  const double number = decimal ? std::strtod(digits.c_str(), &stop) : 0;
  return decimal && stop == end ? Value(number) : Value();
}

Value truncated(double number) {
  constexpr double kLimit = 9.2e18;
  return number > -kLimit && number < kLimit ? Value(static_cast<int64_t>(number)) : Value();
}

Result<Value> to_integer(Call& call) {
  Value number;
  if (call.self.is_string()) {
    const int64_t base = TRY(call.integer(1, 10));
    if (base < 2 || base > 36) return fail("expected a base of 2 to 36, found {}", base);
    number = parsed_number(call.self.text(), static_cast<int>(base));
  } else if (call.self.is_number()) {
    number = call.self.is_float() ? call.self : Value(call.self.integer());
  }
  if (number.is_float()) number = truncated(number.number());
  if (!number.is_undefined()) return number;
  return call.has(0) ? call.args[0] : Value(0);
}

Result<Value> to_float(Call& call) {
  Value number;
  if (call.self.is_string()) number = parsed_number(call.self.text(), 10);
  if (call.self.is_number()) number = call.self;
  if (!number.is_undefined()) return Value(number.number());
  return call.has(0) ? call.args[0] : Value(0.0);
}

Result<Value> to_json(Call& call) {
  constexpr int64_t kWidest = 100;
  JsonStyle style;
  style.ascii = call.has(0) && call.args[0].truth();
  if (call.has(1) && !call.args[1].is_none()) {
    style.indent = TRY(call.integer(1));
    if (*style.indent < 0 || *style.indent > kWidest) {
      return fail("expected an indent of 0 to {}, found {}", kWidest, *style.indent);
    }
  }
  std::vector<Value> pair;  // style keeps views into it
  if (call.has(2) && !call.args[2].is_none()) {
    pair = TRY(iterate(call.runtime, call.args[2]));
    if (pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) {
      return fail("expected two texts as separators");
    }
    style.item_separator = pair[0].text();
    style.key_separator = pair[1].text();
  }
  style.sort_keys = call.has(3) && call.args[3].truth();
  TextSink sink(call.runtime);
  TRY(append_json(sink, call.self, style));
  return std::move(sink).value();
}

Result<Value> from_json(Call& call) {
  if (!call.self.is_string()) return fail("expected a string, found {}", call.self.kind());
  const Value value = TRY(parse_json(call.self.text(), &call.runtime));
  return call.self.input().empty() ? value : TRY(call.runtime.copy(value, true));
}

constexpr Builtin kValueFilters[] = {
    {"default", "default_value? boolean?", otherwise},
    {"d", "default_value? boolean?", otherwise},
    {"abs", "", absolute},
    {"round", "precision? method?", round},
    {"int", "default? base?", to_integer},
    {"float", "default?", to_float},
    {"tojson", "ensure_ascii? indent? separators? sort_keys?", to_json},
    {"to_json", "ensure_ascii? indent? separators? sort_keys?", to_json},
    {"from_json", "", from_json},
    {"fromjson", "", from_json},
};

}  // namespace

std::span<const Builtin> value_filters() { return kValueFilters; }

}  // namespace issun::chat::jinja
