// How values become text.
#include <fmt/format.h>

#include <utility>

#include "chat/jinja/callable.h"
#include "chat/jinja/operators.h"
#include "chat/jinja/text.h"

namespace issun::chat::jinja {

std::string float_text(double number) {
  std::string text = fmt::format("{}", number);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";  // nor inf and nan
  return text;
}

Result<void> append_str(TextSink& out, const Value& value) {
  if (value.is_string()) return out.add_all(value);
  if (value.is_undefined()) return {};
  return append_repr(out, value);
}

Result<void> append_repr(TextSink& out, const Value& value) {
  TRY(out.runtime().spend(1));
  if (value.is_string()) {
    const size_t begin = out.text().size();
    TRY(out.add(quoted(value.text())));
    if (!value.input().empty()) out.mark_input(begin);
    return {};
  }
  if (value.is_undefined()) return out.add("Undefined");
  if (value.is_none()) return out.add("None");
  if (value.is_bool()) return out.add(value.boolean() ? "True" : "False");
  if (value.is_integer()) return out.add(fmt::format("{}", value.integer()));
  if (value.is_float()) return out.add(float_text(value.number()));
  const Deeper deeper(out.runtime());
  TRY(deeper.check());
  if (value.is_sequence()) {
    const auto& values = value.items().values;
    TRY(out.add(value.is_tuple() ? "(" : "["));
    for (size_t i = 0; i < values.size(); ++i) {
      if (i > 0) TRY(out.add(", "));
      TRY(append_repr(out, values[i]));
    }
    if (value.is_tuple() && values.size() == 1) TRY(out.add(","));
    return out.add(value.is_tuple() ? ")" : "]");
  }
  if (value.is_dict() || value.is_namespace()) {
    if (value.is_namespace()) TRY(out.add("<Namespace "));
    TRY(out.add("{"));
    bool first = true;
    for (const auto& [key, item] : value.entries().entries()) {
      if (!std::exchange(first, false)) TRY(out.add(", "));
      TRY(append_repr(out, key));
      TRY(out.add(": "));
      TRY(append_repr(out, item));
    }
    return out.add(value.is_namespace() ? "}>" : "}");
  }
  return out.add(fmt::format("<{}>", value.kind()));
}

Result<Value> as_text(Runtime& runtime, const Value& value) {
  if (value.is_string()) return value;
  TextSink sink(runtime);
  TRY(append_str(sink, value));
  return std::move(sink).value();
}

Result<std::string> to_text(Runtime& runtime, const Value& value) {
  if (value.is_string()) TRY(runtime.grow(static_cast<int64_t>(value.text().size())));
  return TRY(as_text(runtime, value)).text();
}

}  // namespace issun::chat::jinja
