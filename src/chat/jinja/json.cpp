#include "chat/jinja/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/json_reader.h"
#include "chat/jinja/operators.h"
#include "chat/jinja/text.h"

namespace issun::chat::jinja {

namespace {

// Values for a render out of what a JsonReader finds.
class JsonValues {
 public:
  JsonValues(std::string_view text, Runtime* runtime) : reader_(text), runtime_(runtime) {}

  Result<Value> document() {
    Value value = TRY(element());
    TRY(reader_.end());
    return value;
  }

 private:
  Result<Value> element() {
    if (runtime_ != nullptr) TRY(runtime_->spend(1));
    switch (reader_.peek()) {
      case JsonReader::Kind::Object:
        return object();
      case JsonReader::Kind::Array:
        return array();
      case JsonReader::Kind::String: {
        std::string text = TRY(reader_.string());
        return runtime_ != nullptr ? runtime_->text(std::move(text)) : Value(std::move(text));
      }
      case JsonReader::Kind::Number: {
        const JsonNumber number = TRY(reader_.number());
        return number.whole ? Value(number.integer) : Value(number.value);
      }
      case JsonReader::Kind::Bool:
        return Value(TRY(reader_.boolean()));
      case JsonReader::Kind::Null:
      case JsonReader::Kind::None:
        break;
    }
    TRY(reader_.skip());  // null, or the error
    return Value::none();
  }

  Result<Value> object() {
    Value dict = runtime_ != nullptr ? TRY(runtime_->dict()) : Value::dict();
    TRY(reader_.object([&](std::string& key) -> Result<void> {
      if (runtime_ != nullptr) TRY(runtime_->grow(sizeof(Dict::Entry)));
      Value value = TRY(element());
      dict.entries().set(Value(std::move(key)), std::move(value));
      return {};
    }));
    return dict;
  }

  Result<Value> array() {
    std::vector<Value> values;
    TRY(reader_.array([&]() -> Result<void> {
      values.push_back(TRY(element()));
      return {};
    }));
    return runtime_ != nullptr ? runtime_->list(std::move(values)) : Value::list(std::move(values));
  }

  JsonReader reader_;
  Runtime* runtime_;
};

class JsonWriter {
 public:
  JsonWriter(TextSink& out, const JsonStyle& style) : out_(out), style_(style) {
    if (style_.item_separator.empty()) style_.item_separator = style_.indent ? "," : ", ";
    if (style_.key_separator.empty()) style_.key_separator = ": ";
  }

  Result<void> write(const Value& value, int level) {
    TRY(out_.runtime().spend(1));
    if (value.is_string()) {
      const size_t begin = out_.text().size();
      TRY(out_.add(json_string(value.text(), style_.ascii)));
      if (!value.input().empty()) out_.mark_input(begin);
      return {};
    }
    if (value.is_none()) return out_.add("null");
    if (value.is_bool()) return out_.add(value.boolean() ? "true" : "false");
    if (value.is_integer()) return out_.add(fmt::format("{}", value.integer()));
    if (value.is_float()) {
      const double number = value.number();
      if (std::isnan(number)) return out_.add("NaN");
      if (std::isinf(number)) return out_.add(number > 0 ? "Infinity" : "-Infinity");
      return out_.add(float_text(number));
    }
    if (!value.is_sequence() && !value.is_dict()) {
      return fail("a value of kind {} has no JSON", value.kind());
    }
    const Deeper deeper(out_.runtime());
    TRY(deeper.check());
    return value.is_sequence() ? array(value.items(), level) : object(value.entries(), level);
  }

 private:
  Result<void> new_line(int level) {
    if (!style_.indent) return {};
    TRY(out_.add("\n"));
    return out_.pad(*style_.indent * level);
  }

  Result<void> array(const List& list, int level) {
    if (list.values.empty()) return out_.add("[]");
    TRY(out_.add("["));
    bool first = true;
    for (const Value& value : list.values) {
      if (!std::exchange(first, false)) TRY(out_.add(style_.item_separator));
      TRY(new_line(level + 1));
      TRY(write(value, level + 1));
    }
    TRY(new_line(level));
    return out_.add("]");
  }

  Result<void> object(const Dict& dict, int level) {
    if (dict.size() == 0) return out_.add("{}");
    std::vector<Dict::Entry> entries = dict.entries();
    if (style_.sort_keys) {
      for (const auto& [key, value] : entries) {
        if (!key.is_string()) return fail("sort_keys: a key of kind {}", key.kind());
      }
      std::sort(entries.begin(), entries.end(),
                [](const auto& a, const auto& b) { return a.first.text() < b.first.text(); });
    }
    TRY(out_.add("{"));
    bool first = true;
    for (const auto& [key, value] : entries) {
      if (!std::exchange(first, false)) TRY(out_.add(style_.item_separator));
      TRY(new_line(level + 1));
      // JSON knows string keys only; Python writes the JSON of other keys between quotes.
      if (!key.is_string()) TRY(out_.add("\""));
      TRY(write(key, level + 1));
      if (!key.is_string()) TRY(out_.add("\""));
      TRY(out_.add(style_.key_separator));
      TRY(write(value, level + 1));
    }
    TRY(new_line(level));
    return out_.add("}");
  }

  TextSink& out_;
  JsonStyle style_;
};

}  // namespace

std::string json_string(std::string_view text, bool ascii) {
  std::string out = "\"";
  while (!text.empty()) {
    const int bytes = code_point_bytes(text);
    const char32_t code = code_point(text);
    constexpr std::string_view kLetters = "\"\\bfnrt", kMeanings = "\"\\\b\f\n\r\t";
    const size_t i = code < 0x80 ? kMeanings.find(static_cast<char>(code)) : std::string_view::npos;
    if (i != std::string_view::npos) {
      out += '\\';
      out += kLetters[i];
    } else if (code < 0x20 || (ascii && code > 0x7E && code < 0x10000)) {
      out += fmt::format("\\u{:04x}", static_cast<uint32_t>(code));
    } else if (ascii && code >= 0x10000) {
      const uint32_t pair = static_cast<uint32_t>(code) - 0x10000;
      out += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (pair >> 10), 0xDC00 + (pair & 0x3FF));
    } else {
      out.append(text.substr(0, bytes));
    }
    text.remove_prefix(bytes);
  }
  return out + '"';
}

Result<Value> parse_json(std::string_view text, Runtime* runtime) {
  return JsonValues(text, runtime).document();
}

Result<void> append_json(TextSink& out, const Value& value, const JsonStyle& style) {
  return JsonWriter(out, style).write(value, 0);
}

}  // namespace issun::chat::jinja
