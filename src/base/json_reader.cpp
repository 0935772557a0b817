#include "base/json_reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/utf8.h"

namespace issun {

void JsonReader::skip_blanks() {
  at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size());
}

bool JsonReader::take(char character) {
  skip_blanks();
  if (at_ >= text_.size() || text_[at_] != character) return false;
  ++at_;
  return true;
}

bool JsonReader::take_word(std::string_view word) {
  if (!text_.substr(at_).starts_with(word)) return false;
  at_ += word.size();
  return true;
}

JsonReader::Kind JsonReader::peek() {
  skip_blanks();
  if (at_ >= text_.size()) return Kind::None;
  const std::string_view rest = text_.substr(at_);
  switch (rest[0]) {
    case '{':
      return Kind::Object;
    case '[':
      return Kind::Array;
    case '"':
      return Kind::String;
    case '-':
      return Kind::Number;
    default:
      break;
  }
  if (rest[0] >= '0' && rest[0] <= '9') return Kind::Number;
  if (rest.starts_with("true") || rest.starts_with("false")) return Kind::Bool;
  return rest.starts_with("null") ? Kind::Null : Kind::None;
}

tl::unexpected<Error> JsonReader::other_than(std::string_view expected) {
  constexpr const char* kFound[] = {"an object", "an array",      "a string",
                                    "a number",  "a truth value", "null"};
  const Kind kind = peek();
  if (kind != Kind::None) {
    return fail("JSON: expected {}, found {} at byte {}", expected, kFound[static_cast<int>(kind)],
                at_);
  }
  if (at_ >= text_.size()) return fail("JSON: expected a value, found the end");
  return fail("JSON: unexpected character at byte {}", at_);
}

Result<void> JsonReader::open(char bracket) {
  if (peek() != (bracket == '{' ? Kind::Object : Kind::Array)) {
    return other_than(bracket == '{' ? "an object" : "an array");
  }
  if (++depth_ > kNesting) return fail("JSON: nested deeper than {} levels", kNesting);
  ++at_;
  return {};
}

Result<void> JsonReader::close(char bracket) {
  if (take(bracket)) return {};
  return fail("JSON: expected ',' or '{}' at byte {}", bracket, at_);
}

Result<std::string> JsonReader::key() {
  if (peek() != Kind::String) return fail("JSON: expected a key at byte {}", at_);
  std::string key = TRY(string());
  if (!take(':')) return fail("JSON: expected ':' at byte {}", at_);
  return key;
}

Result<std::string> JsonReader::string() {
  if (peek() != Kind::String) return other_than("a string");
  std::string out;
  for (size_t plain = ++at_; at_ < text_.size();) {
    const unsigned char byte = static_cast<unsigned char>(text_[at_]);
    if (byte >= 0x80) {
      const Utf8Char character = decode_utf8(text_, at_);
      if (character.state != Utf8::Valid) return fail("JSON: no UTF-8 at byte {}", at_);
      at_ += static_cast<size_t>(character.bytes);
      continue;
    }
    if (byte < 0x20) return fail("JSON: a control character in a string at byte {}", at_);
    if (byte != '"' && byte != '\\') {
      ++at_;
      continue;
    }
    out.append(text_.substr(plain, at_ - plain));
    ++at_;
    if (byte == '"') return out;
    TRY(escape(&out));
    plain = at_;
  }
  return fail("JSON: a string without end");
}

Result<void> JsonReader::escape(std::string* out) {
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
  append_utf8(code >= 0xD800 && code <= 0xDFFF ? kReplacementCharacter : code, *out);
  return {};
}

Result<uint32_t> JsonReader::hex4() {
  uint32_t code = 0;
  const char* first = text_.data() + at_;
  const bool enough = text_.size() - at_ >= 4;
  if (!enough || std::from_chars(first, first + 4, code, 16).ptr != first + 4) {
    return fail("JSON: expected four hexadecimal digits at byte {}", at_);
  }
  at_ += 4;
  return code;
}

namespace {

// The length of the number that the text begins with, by the grammar of RFC 8259; 0: there is none.
size_t number_length(std::string_view text) {
  size_t at = 0;
  const auto digits = [&] {
    const size_t begin = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at - begin;
  };
  const auto is = [&](std::string_view letters) {
    return at < text.size() && letters.find(text[at]) != std::string_view::npos;
  };
  if (is("-")) ++at;
  const size_t first = at;
  const size_t whole = digits();
  if (whole == 0 || (whole > 1 && text[first] == '0')) return 0;
  if (is(".")) {
    ++at;
    if (digits() == 0) return 0;
  }
  if (is("eE")) {
    ++at;
    if (is("+-")) ++at;
    if (digits() == 0) return 0;
  }
  return at;
}

}  // namespace

Result<JsonNumber> JsonReader::number() {
  if (peek() != Kind::Number) return other_than("a number");
  const std::string token(text_.substr(at_, number_length(text_.substr(at_))));
  if (token.empty()) return fail("JSON: no number at byte {}", at_);
  JsonNumber number;
  const char* last = token.data() + token.size();
  const auto whole = std::from_chars(token.data(), last, number.integer);
  number.whole = whole.ec == std::errc() && whole.ptr == last;
  number.value =
      number.whole ? static_cast<double>(number.integer) : std::strtod(token.c_str(), nullptr);
  if (!std::isfinite(number.value)) return fail("JSON: number out of range at byte {}", at_);
  at_ += token.size();
  return number;
}

Result<bool> JsonReader::boolean() {
  if (peek() != Kind::Bool) return other_than("true or false");
  if (take_word("true")) return true;
  take_word("false");
  return false;
}

Result<void> JsonReader::null() {
  if (peek() != Kind::Null) return other_than("null");
  take_word("null");
  return {};
}

Result<void> JsonReader::skip() {
  switch (peek()) {
    case Kind::Object:
      return object([&](const std::string&) { return skip(); });
    case Kind::Array:
      return array([&] { return skip(); });
    case Kind::String:
      TRY(string());
      return {};
    case Kind::Number:
      TRY(number());
      return {};
    case Kind::Bool:
      TRY(boolean());
      return {};
    case Kind::Null:
      return null();
    case Kind::None:
      break;
  }
  return other_than("a value");
}

Result<void> JsonReader::end() {
  skip_blanks();
  if (at_ == text_.size()) return {};
  return fail("JSON: unexpected text at byte {}", at_);
}

}  // namespace issun
