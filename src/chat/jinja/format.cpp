#include "chat/jinja/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "chat/jinja/operators.h"
#include "chat/jinja/text.h"

namespace issun::chat::jinja {

namespace {

constexpr int kWidestField = 10'000;

struct Field {
  std::string_view fill = " ";
  char align = 0;  // < > ^ = or 0 for the kind's own
  char sign = '-';
  bool comma = false, alternate = false;
  int width = 0;
  int precision = -1;
  char type = 0;
};

// Reads digits at the start of *text. Error: more than kWidestField.
Result<int> take_count(std::string_view* text) {
  int count = 0;
  while (!text->empty() && text->front() >= '0' && text->front() <= '9') {
    count = count * 10 + (text->front() - '0');
    if (count > kWidestField) return fail("format: a width above {}", kWidestField);
    text->remove_prefix(1);
  }
  return count;
}

std::string with_commas(std::string digits) {
  const size_t end = std::min(digits.find_first_of(".e"), digits.size());
  for (size_t i = end; i > 3; i -= 3) digits.insert(i - 3, 1, ',');
  return digits;
}

// The digits of a number without its sign, which goes to *negative.
Result<std::string> digits_of(const Value& value, const Field& field, bool* negative) {
  const char type = field.type;
  const bool real = type == 'f' || type == 'F' || type == 'e' || type == 'g' || type == '%' ||
                    (type == 0 && value.is_float()) || (type == 0 && field.precision >= 0);
  if (real) {
    const double number = type == '%' ? value.number() * 100 : value.number();
    *negative = number < 0;
    const double size = number < 0 ? -number : number;
    const int precision = field.precision < 0 ? 6 : field.precision;
    if (type == 0 && field.precision < 0) return float_text(size);
    if (type == 'e') return fmt::format("{:.{}e}", size, precision);
    if (type == 0 || type == 'g') return fmt::format("{:.{}g}", size, precision);
    return fmt::format("{:.{}f}", size, precision) + (type == '%' ? "%" : "");
  }
  if (value.is_float() && (type == 'x' || type == 'o' || type == 'b')) {
    return fail("format: '{}' expects an integer, found a float", type);
  }
  const double wide = value.number();
  if (value.is_float() && !(wide > -9.2e18 && wide < 9.2e18)) {
    return fail("format: {} is no integer of 64 bits", float_text(wide));
  }
  const int64_t number = value.is_float() ? static_cast<int64_t>(wide) : value.integer();
  *negative = number < 0;
  const uint64_t size =
      number < 0 ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
  const bool alternate = field.alternate;
  switch (type) {
    case 'x':
      return fmt::format("{}{:x}", alternate ? "0x" : "", size);
    case 'X':
      return fmt::format("{}{:X}", alternate ? "0X" : "", size);
    case 'o':
      return fmt::format("{}{:o}", alternate ? "0o" : "", size);
    case 'b':
      return fmt::format("{}{:b}", alternate ? "0b" : "", size);
    default:
      return fmt::format("{}", size);
  }
}

Result<void> add_padded(TextSink& out, std::string_view sign, std::string_view body,
                        const Field& field, char align) {
  const int64_t room = std::max<int64_t>(
      0, field.width - count_code_points(body) - static_cast<int64_t>(sign.size()));
  const int64_t left = align == '>' ? room : align == '^' ? room / 2 : 0;
  const auto fill = [&](int64_t count) -> Result<void> {
    for (int64_t i = 0; i < count; ++i) TRY(out.add(field.fill));
    return {};
  };
  TRY(fill(left));
  TRY(out.add(sign));
  if (align == '=') TRY(fill(room));
  TRY(out.add(body));
  return align == '=' ? Result<void>() : fill(room - left);
}

Result<void> add_field(TextSink& out, const Value& value, const Field& field) {
  const bool is_text =
      field.type == 's' || (field.type == 0 && (!value.is_number() || value.is_bool()));
  if (is_text) {
    const Value text = TRY(as_text(out.runtime(), value));
    std::string_view body = text.text();
    if (field.precision >= 0) body = code_points(body, 0, field.precision);
    const size_t begin = out.text().size();
    TRY(add_padded(out, "", body, field, field.align == 0 ? '<' : field.align));
    if (text.input().empty()) return {};
    out.mark_input(begin);
    return {};
  }
  if (!value.is_number()) {
    return fail("format: '{}' expects a number, found {}", field.type, value.kind());
  }
  bool negative = false;
  std::string digits = TRY(digits_of(value, field, &negative));
  if (field.comma) digits = with_commas(std::move(digits));
  const std::string_view plus = field.sign == '+' ? "+" : field.sign == ' ' ? " " : "";
  return add_padded(out, negative ? "-" : plus, digits, field,
                    field.align == 0 ? '>' : field.align);
}

// "[[fill]align][sign][#][0][width][,][.precision][type]"
Result<Field> parse_field(std::string_view spec) {
  Field field;
  const auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
  const auto take = [&](char character) {
    if (spec.empty() || spec.front() != character) return false;
    spec.remove_prefix(1);
    return true;
  };
  if (!spec.empty()) {
    const size_t bytes = code_point_bytes(spec);
    if (spec.size() > bytes && is_align(spec[bytes])) {
      field.fill = spec.substr(0, bytes);
      field.align = spec[bytes];
      spec.remove_prefix(bytes + 1);
    } else if (is_align(spec[0])) {
      field.align = spec[0];
      spec.remove_prefix(1);
    }
  }
  if (!spec.empty() && (spec[0] == '+' || spec[0] == '-' || spec[0] == ' ')) {
    field.sign = spec[0];
    spec.remove_prefix(1);
  }
  field.alternate = take('#');
  if (take('0') && field.align == 0) {
    field.fill = "0";
    field.align = '=';
  }
  field.width = TRY(take_count(&spec));
  field.comma = take(',');
  if (take('.')) field.precision = TRY(take_count(&spec));
  if (!spec.empty()) {
    field.type = spec[0];
    spec.remove_prefix(1);
  }
  if (!spec.empty() || (field.type != 0 && std::string_view("dfFgesxXob%").find(field.type) ==
                                               std::string_view::npos)) {
    return fail("format: cannot read a field's format near '{}{}'", field.type, spec);
  }
  return field;
}

// What {name.attribute[key]} stands for.
Result<Value> look_up(Runtime& runtime, std::string_view path, const Arguments& arguments,
                      size_t* next) {
  const size_t end = std::min(path.find_first_of(".["), path.size());
  const std::string_view head = path.substr(0, end);
  path.remove_prefix(end);
  Value value;
  const bool numbered = head.empty() || std::all_of(head.begin(), head.end(),
                                                    [](char c) { return c >= '0' && c <= '9'; });
  if (numbered) {
    size_t position = 0;
    if (head.empty()) {
      position = (*next)++;
    } else {
      std::string_view digits = head;
      position = TRY(take_count(&digits));
    }
    if (position >= arguments.positional.size()) return fail("format: no argument {}", position);
    value = arguments.positional[position];
  } else {
    const auto found = std::find_if(arguments.keyword.begin(), arguments.keyword.end(),
                                    [&](const auto& pair) { return pair.first == head; });
    if (found == arguments.keyword.end()) return fail("format: no argument '{}'", head);
    value = found->second;
  }
  while (!path.empty()) {
    const bool bracket = path.front() == '[';
    path.remove_prefix(1);
    const size_t stop = std::min(bracket ? path.find(']') : path.find_first_of(".["), path.size());
    const std::string key(path.substr(0, stop));
    path.remove_prefix(std::min(stop + bracket, path.size()));
    int64_t position = 0;
    const auto parsed = std::from_chars(key.data(), key.data() + key.size(), position);
    const bool index = !key.empty() && parsed.ptr == key.data() + key.size();
    value =
        TRY(subscript(runtime, value, index && value.is_sequence() ? Value(position) : Value(key)));
  }
  return value;
}

// One "%..." conversion; *format starts behind the percent sign.
Result<void> add_conversion(TextSink& out, std::string_view* format, const Value& argument,
                            size_t* next) {
  const bool several = argument.is_tuple();
  Field field;
  field.align = '>';
  std::string_view& rest = *format;
  Value value;
  bool named = false;
  if (rest.starts_with('(')) {
    const size_t end = rest.find(')');
    if (end == std::string_view::npos || !argument.is_dict()) {
      return fail("%: expected a dict for '%(name)'");
    }
    value = TRY(subscript(out.runtime(), argument, Value(rest.substr(1, end - 1))));
    rest.remove_prefix(end + 1);
    named = true;
  }
  for (; !rest.empty() && std::string_view("-+ 0#").find(rest[0]) != std::string_view::npos;
       rest.remove_prefix(1)) {
    if (rest[0] == '-') field.align = '<';
    if (rest[0] == '+' || rest[0] == ' ') field.sign = rest[0];
    if (rest[0] == '#') field.alternate = true;
    if (rest[0] == '0' && field.align != '<') {
      field.align = '=';
      field.fill = "0";
    }
  }
  field.width = TRY(take_count(&rest));
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    field.precision = TRY(take_count(&rest));
  }
  if (rest.empty()) return fail("%: a format without its letter");
  field.type = rest[0];
  rest.remove_prefix(1);
  if (field.type == '%') return out.add("%");
  if (!named) {
    const auto count = several ? argument.items().values.size() : size_t{1};
    if (*next >= count) return fail("%: not enough arguments");
    value = several ? argument.items().values[*next] : argument;
    ++*next;
  }
  if (field.type == 'r') {
    TextSink repr(out.runtime());
    TRY(append_repr(repr, value));
    value = std::move(repr).value();
    field.type = 's';
  }
  if (field.type == 'i' || field.type == 'u') field.type = 'd';
  if (field.type == 'c' && value.is_string()) field.type = 's';
  if (std::string_view("sdfFgexXo").find(field.type) == std::string_view::npos) {
    return fail("%: unknown conversion '{}'", field.type);
  }
  if (field.type == 's' && field.align == '=') {
    field.align = '>';
    field.fill = " ";
  }
  return add_field(out, value, field);
}

}  // namespace

Result<Value> percent_format(Runtime& runtime, const Value& source, const Value& argument) {
  TextSink out(runtime);
  std::string_view format = source.text();
  size_t next = 0;
  while (!format.empty()) {
    const size_t percent = std::min(format.find('%'), format.size());
    TRY(out.add(format.substr(0, percent)));
    format.remove_prefix(percent);
    if (format.empty()) break;
    format.remove_prefix(1);
    TRY(add_conversion(out, &format, argument, &next));
  }
  const size_t count = argument.is_tuple() ? argument.items().values.size() : 1;
  if (next < count && !argument.is_dict()) return fail("%: more arguments than conversions");
  if (!source.input().empty()) out.mark_input(0);
  return std::move(out).value();
}

Result<Value> brace_format(Runtime& runtime, const Value& source, const Arguments& arguments) {
  TextSink out(runtime);
  std::string_view format = source.text();
  size_t next = 0;
  while (!format.empty()) {
    const size_t brace = std::min(format.find_first_of("{}"), format.size());
    TRY(out.add(format.substr(0, brace)));
    format.remove_prefix(brace);
    if (format.empty()) break;
    if (format.size() > 1 && format[0] == format[1]) {
      TRY(out.add(format.substr(0, 1)));
      format.remove_prefix(2);
      continue;
    }
    const size_t end = format.find('}');
    if (format[0] == '}' || end == std::string_view::npos) return fail("format: a single brace");
    const std::string_view inside = format.substr(1, end - 1);
    format.remove_prefix(end + 1);
    const size_t colon = std::min(inside.find(':'), inside.size());
    std::string_view path = inside.substr(0, colon);
    const bool repr = path.ends_with("!r");
    if (repr || path.ends_with("!s")) path.remove_suffix(2);
    Value value = TRY(look_up(runtime, path, arguments, &next));
    if (repr) {
      TextSink sink(runtime);
      TRY(append_repr(sink, value));
      value = std::move(sink).value();
    }
    const Field field = TRY(parse_field(inside.substr(std::min(colon + 1, inside.size()))));
    TRY(add_field(out, value, field));
  }
  if (!source.input().empty()) out.mark_input(0);
  return std::move(out).value();
}

}  // namespace issun::chat::jinja
