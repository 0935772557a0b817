#include "chat/jinja/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "base/utf8.h"
#include "chat/jinja/operators.h"
#include "chat/jinja/text.h"

namespace issun::chat::jinja {

namespace {

constexpr int kNesting = 200;

class JsonParser {
 public:
  JsonParser(std::string_view text, Runtime* runtime) : text_(text), runtime_(runtime) {}

  Result<Value> document() {
    Value value = TRY(element(0));
    skip_blanks();
    if (at_ != text_.size()) return fail("JSON: unexpected text at byte {}", at_);
    return value;
  }

 private:
  void skip_blanks() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }
  bool take(char character) {
    skip_blanks();
    if (at_ >= text_.size() || text_[at_] != character) return false;
    ++at_;
    return true;
  }
  bool take_word(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  Result<Value> element(int depth) {
    if (depth > kNesting) return fail("JSON: nested deeper than {} levels", kNesting);
    skip_blanks();
    if (at_ >= text_.size()) return fail("JSON: expected a value, found the end");
    if (runtime_ != nullptr) TRY(runtime_->spend(1));
    switch (text_[at_]) {
      case '{':
        return object(depth);
      case '[':
        return array(depth);
      case '"': {
        std::string text = TRY(string());
        return runtime_ != nullptr ? runtime_->text(std::move(text)) : Value(std::move(text));
      }
      default:
        break;
    }
    if (take_word("true")) return Value(true);
    if (take_word("false")) return Value(false);
    if (take_word("null")) return Value::none();
    return number();
  }

  Result<Value> object(int depth) {
    ++at_;
    Value dict = runtime_ != nullptr ? TRY(runtime_->dict()) : Value::dict();
    if (take('}')) return dict;
    do {
      skip_blanks();
      if (at_ >= text_.size() || text_[at_] != '"')
        return fail("JSON: expected a key at byte {}", at_);
      std::string key = TRY(string());
      if (!take(':')) return fail("JSON: expected ':' at byte {}", at_);
      if (runtime_ != nullptr) TRY(runtime_->grow(sizeof(Dict::Entry)));
      dict.entries().set(Value(std::move(key)), TRY(element(depth + 1)));
    } while (take(','));
    if (!take('}')) return fail("JSON: expected ',' or '}}' at byte {}", at_);
    return dict;
  }

  Result<Value> array(int depth) {
    ++at_;
    std::vector<Value> values;
    if (!take(']')) {
      do {
        values.push_back(TRY(element(depth + 1)));
      } while (take(','));
      if (!take(']')) return fail("JSON: expected ',' or ']' at byte {}", at_);
    }
    return runtime_ != nullptr ? runtime_->list(std::move(values)) : Value::list(std::move(values));
  }

  Result<Value> number() {
    const size_t end = std::min(text_.find_first_not_of("+-.0123456789eE", at_), text_.size());
    const std::string token(text_.substr(at_, end - at_));
    const size_t digit = token.starts_with('-') ? 1 : 0;
    if (digit >= token.size() || token[digit] < '0' || token[digit] > '9') {
      return fail("JSON: unexpected character at byte {}", at_);
    }
    int64_t integer = 0;
    const char* last = token.data() + token.size();
    const auto whole = std::from_chars(token.data(), last, integer);
    const bool fits = whole.ec == std::errc() && whole.ptr == last;
    char* stop = nullptr;
    const double number = fits ? 0 : std::strtod(token.c_str(), &stop);
    if (!fits && stop != last) return fail("JSON: no number at byte {}", at_);
    if (!std::isfinite(number)) return fail("JSON: number out of range at byte {}", at_);
    at_ = end;
    return fits ? Value(integer) : Value(number);
  }

  Result<uint32_t> hex4() {
    uint32_t code = 0;
    const char* first = text_.data() + at_;
    const bool enough = text_.size() - at_ >= 4;
    if (!enough || std::from_chars(first, first + 4, code, 16).ptr != first + 4) {
      return fail("JSON: expected four hexadecimal digits at byte {}", at_);
    }
    at_ += 4;
    return code;
  }

  Result<void> escape(std::string* out) {
    constexpr std::string_view kLetters = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
    const char letter = at_ < text_.size() ? text_[at_++] : '\0';
    if (const size_t i = kLetters.find(letter); i != std::string_view::npos) {
      out->push_back(kMeanings[i]);
      return {};
    }
    if (letter != 'u') return fail("JSON: unknown escape at byte {}", at_);
    uint32_t code = TRY(hex4());
    if (code >= 0xD800 && code < 0xDC00 && take_word("\\u")) {
      const uint32_t low = TRY(hex4());
      if (low < 0xDC00 || low > 0xDFFF) return fail("JSON: half a surrogate pair at byte {}", at_);
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    append_utf8(code >= 0xD800 && code <= 0xDFFF ? 0xFFFD : code, *out);
    return {};
  }

  Result<std::string> string() {
    ++at_;
    std::string out;
    while (true) {
      const size_t end = std::min(text_.find_first_of("\"\\", at_), text_.size());
      out.append(text_.substr(at_, end - at_));
      at_ = end + 1;
      if (end == text_.size()) return fail("JSON: a string without end");
      if (text_[end] == '"') return out;
      TRY(escape(&out));
    }
  }

  std::string_view text_;
  Runtime* runtime_;
  size_t at_ = 0;
};

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

class JsonWriter {
 public:
  JsonWriter(TextSink& out, const JsonStyle& style) : out_(out), style_(style) {
    if (style_.item_separator.empty()) style_.item_separator = style_.indent ? "," : ", ";
    if (style_.key_separator.empty()) style_.key_separator = ": ";
  }

  Result<void> write(const Value& value, int level) {
    TRY(out_.runtime().spend(1));
    if (value.is_string()) return out_.add(json_string(value.text(), style_.ascii));
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

Result<Value> parse_json(std::string_view text, Runtime* runtime) {
  return JsonParser(text, runtime).document();
}

Result<void> append_json(TextSink& out, const Value& value, const JsonStyle& style) {
  return JsonWriter(out, style).write(value, 0);
}

}  // namespace issun::chat::jinja
