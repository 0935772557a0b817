#include "chat/jinja/runtime.h"

#include <algorithm>

#include "chat/jinja/callable.h"

namespace issun::chat::jinja {

namespace {

// A role, which may be part of markup: it can hold none itself.
bool is_role(const Value& key, const Value& value) {
  const auto is_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return key.is_string() && key.text() == "role" && value.is_string() &&
         std::all_of(value.text().begin(), value.text().end(), is_word);
}

// Appends to `out` what of source's input lies in `piece`, a part of it.
void append_input(const Value& source, std::string_view piece, size_t at, InputRanges* out) {
  if (source.input().empty()) return;
  const auto begin = static_cast<size_t>(piece.data() - source.text().data());
  out->append(source.input(), begin, begin + piece.size(), at);
}

}  // namespace

Runtime::~Runtime() {
  // Emptied while made_ still holds them all: no destructor recurses, no cycle survives.
  for (const Value& value : made_) {
    if (value.is_sequence()) {
      value.items().values.clear();
    } else {
      value.entries().clear();
    }
  }
}

Result<void> Runtime::spend(int64_t steps) {
  left_.steps -= steps;
  if (left_.steps < 0) return fail("more than {} steps", limits_.steps);
  return {};
}

Result<void> Runtime::grow(int64_t bytes) {
  if (bytes > left_.bytes) return fail("more than {} bytes of intermediate values", limits_.bytes);
  left_.bytes -= bytes;
  return spend(bytes >> 6);
}

Result<Value> Runtime::text(std::string text) {
  TRY(grow(static_cast<int64_t>(text.size())));
  return Value(std::move(text));
}

Result<Value> Runtime::text(const Value& source, std::string_view piece) {
  TRY(grow(static_cast<int64_t>(piece.size())));
  Text text{std::string(piece), {}};
  append_input(source, piece, 0, &text.input);
  return Value(std::move(text));
}

Result<Value> Runtime::changed(const Value& source, std::string text) {
  TRY(grow(static_cast<int64_t>(text.size())));
  Text made{std::move(text), {}};
  if (!source.input().empty()) made.input.append(0, made.chars.size());
  return Value(std::move(made));
}

Result<Value> Runtime::list(std::vector<Value> values, bool tuple) {
  TRY(grow(static_cast<int64_t>(sizeof(List) + values.size() * sizeof(Value))));
  made_.emplace_back(std::make_shared<List>(List{std::move(values), tuple}));
  return made_.back();
}

Result<Value> Runtime::dict() {
  TRY(grow(static_cast<int64_t>(sizeof(Dict))));
  made_.emplace_back(std::make_shared<Dict>());
  return made_.back();
}

Result<Value> Runtime::copy(const Value& value, bool as_input) {
  if (value.is_string() && as_input) {
    Text text{value.text(), {}};
    text.input.append(0, text.chars.size());
    return Value(std::move(text));
  }
  if (!value.is_sequence() && !value.is_dict()) return value;
  const Deeper deeper(*this);
  TRY(deeper.check());
  if (value.is_sequence()) {
    std::vector<Value> values;
    values.reserve(value.items().values.size());
    for (const Value& item : value.items().values) values.push_back(TRY(copy(item, as_input)));
    return list(std::move(values), value.is_tuple());
  }
  Value made = TRY(dict());
  for (const auto& [key, item] : value.entries().entries()) {
    TRY(grow(sizeof(Dict::Entry)));
    made.entries().set(TRY(copy(key, as_input)), TRY(copy(item, as_input && !is_role(key, item))));
  }
  return made;
}

Result<Value> Runtime::filter(std::string_view name, const Value& subject, Arguments arguments) {
  const Builtin* builtin = find_filter(name);
  if (builtin == nullptr) return fail("no filter named '{}'", name);
  return call_builtin(*this, *builtin, subject, std::move(arguments));
}

Result<bool> Runtime::test(std::string_view name, const Value& subject, Arguments arguments) {
  const Builtin* builtin = find_test(name);
  if (builtin == nullptr) return fail("no test named '{}'", name);
  const Value value = TRY(call_builtin(*this, *builtin, subject, std::move(arguments)));
  return value.truth();
}

Result<void> Deeper::check() const {
  if (runtime_.depth_ > runtime_.limits_.depth) {
    return fail("nested deeper than {} levels", runtime_.limits_.depth);
  }
  return {};
}

Result<void> TextSink::add(std::string_view piece) {
  TRY(runtime_.grow(static_cast<int64_t>(piece.size())));
  text_.chars.append(piece);
  return {};
}

Result<void> TextSink::add(const Value& source, std::string_view piece) {
  const size_t at = text_.chars.size();
  TRY(add(piece));
  append_input(source, piece, at, &text_.input);
  return {};
}

Result<void> TextSink::add(int64_t count, char character) {
  if (count <= 0) return {};
  TRY(runtime_.grow(count));
  text_.chars.append(static_cast<size_t>(count), character);
  return {};
}

}  // namespace issun::chat::jinja
