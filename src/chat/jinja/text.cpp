#include "chat/jinja/text.h"

#include <fmt/format.h>

#include <utility>

#include "base/utf8.h"
#include "tokenizer/unicode.h"

namespace issun::chat::jinja {

using tokenizer::char_class;
using tokenizer::CharClass;

namespace {

bool is_continuation(char byte) { return (static_cast<uint8_t>(byte) & 0xC0) == 0x80; }

// U+0100 .. U+017F and U+0460 .. U+052F hold pairs of capital and small letter, but where the pairs
// start at an odd number.
bool odd_pairs(char32_t code) {
  return (code >= 0x139 && code <= 0x148) || (code >= 0x179 && code <= 0x17E);
}
bool in_pairs(char32_t code) {
  if (code == 0x130 || code == 0x131 || code == 0x138 || code == 0x149) return false;
  if (code == 0x178 || code == 0x17F) return false;
  return (code >= 0x100 && code <= 0x17E) || (code >= 0x460 && code <= 0x481) ||
         (code >= 0x48A && code <= 0x4BF) || (code >= 0x4D0 && code <= 0x52F);
}

template <class Map>
std::string map_code_points(std::string_view text, Map map) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const int bytes = code_point_bytes(text);
    const char32_t code = code_point(text);
    const char32_t mapped = map(code);
    if (mapped == code) {
      out.append(text.substr(0, bytes));
    } else {
      append_utf8(mapped, out);
    }
    text.remove_prefix(bytes);
  }
  return out;
}

// Where the last code point of `text` starts.
size_t last_start(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && text.size() - at < 4 && is_continuation(text[at])) --at;
  const size_t bytes = code_point_bytes(text.substr(at));
  return bytes == text.size() - at ? at : text.size() - 1;
}

bool printable(char32_t code) {
  if (code < 0x80) return code >= 0x20 && code < 0x7F;
  const CharClass kind = char_class(code);
  return kind != CharClass::Separator && kind != CharClass::Other && kind != CharClass::Unassigned;
}

}  // namespace

int code_point_bytes(std::string_view text) {
  return static_cast<uint8_t>(text[0]) < 0x80 ? 1 : decode_utf8(text, 0).bytes;
}

char32_t code_point(std::string_view text) {
  const auto first = static_cast<uint8_t>(text[0]);
  return first < 0x80 ? first : decode_utf8(text, 0).code;
}

int64_t count_code_points(std::string_view text) {
  int64_t count = 0;
  for (; !text.empty(); ++count) text.remove_prefix(code_point_bytes(text));
  return count;
}

std::string_view code_points(std::string_view text, int64_t begin, int64_t end) {
  for (int64_t i = 0; i < begin && !text.empty(); ++i) text.remove_prefix(code_point_bytes(text));
  size_t bytes = 0;
  for (int64_t i = begin; i < end && bytes < text.size(); ++i) {
    bytes += code_point_bytes(text.substr(bytes));
  }
  return text.substr(0, bytes);
}

bool is_space(char32_t code) {
  return (code >= 0x09 && code <= 0x0D) || (code >= 0x1C && code <= 0x20) || code == 0x85 ||
         code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 ||
         code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

std::string_view strip_left(std::string_view text) {
  while (!text.empty() && is_space(code_point(text))) text.remove_prefix(code_point_bytes(text));
  return text;
}

std::string_view strip_right(std::string_view text) {
  while (!text.empty() && is_space(code_point(text.substr(last_start(text))))) {
    text = text.substr(0, last_start(text));
  }
  return text;
}

std::string_view strip(std::string_view text) { return strip_left(strip_right(text)); }

std::string_view strip_left(std::string_view text, std::string_view characters) {
  while (!text.empty()) {
    const int bytes = code_point_bytes(text);
    if (characters.find(text.substr(0, bytes)) == std::string_view::npos) break;
    text.remove_prefix(bytes);
  }
  return text;
}

std::string_view strip_right(std::string_view text, std::string_view characters) {
  while (!text.empty()) {
    const size_t start = last_start(text);
    if (characters.find(text.substr(start)) == std::string_view::npos) break;
    text = text.substr(0, start);
  }
  return text;
}

char32_t to_upper(char32_t code) {
  if (code < 0x80) return code >= 'a' && code <= 'z' ? code - 32 : code;
  if (code >= 0xE0 && code <= 0xFE && code != 0xF7) return code - 32;
  if (code == 0xFF) return 0x178;
  if (in_pairs(code)) return (code & 1) != odd_pairs(code) ? code - 1 : code;
  if (code == 0x3C2) return 0x3A3;
  if (code >= 0x3B1 && code <= 0x3C9) return code - 32;
  if (code >= 0x430 && code <= 0x44F) return code - 32;
  if (code >= 0x450 && code <= 0x45F) return code - 80;
  return code;
}

char32_t to_lower(char32_t code) {
  if (code < 0x80) return code >= 'A' && code <= 'Z' ? code + 32 : code;
  if (code >= 0xC0 && code <= 0xDE && code != 0xD7) return code + 32;
  if (code == 0x178) return 0xFF;
  if (in_pairs(code)) return (code & 1) == odd_pairs(code) ? code + 1 : code;
  if (code >= 0x391 && code <= 0x3A9 && code != 0x3A2) return code + 32;
  if (code >= 0x410 && code <= 0x42F) return code + 32;
  if (code >= 0x400 && code <= 0x40F) return code + 80;
  return code;
}

bool is_letter(char32_t code) {
  if (code < 0x80) return (code | 32) >= 'a' && (code | 32) <= 'z';
  return char_class(code) == CharClass::Letter;
}

std::string upper(std::string_view text) { return map_code_points(text, to_upper); }
std::string lower(std::string_view text) { return map_code_points(text, to_lower); }

std::string capitalize(std::string_view text) {
  bool first = true;
  return map_code_points(text, [&](char32_t code) {
    return std::exchange(first, false) ? to_upper(code) : to_lower(code);
  });
}

std::string title(std::string_view text) {
  bool inside = false;
  return map_code_points(text, [&](char32_t code) {
    const bool was_inside = std::exchange(inside, is_letter(code));
    return was_inside ? to_lower(code) : to_upper(code);
  });
}

std::string quoted(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const bool has_double = text.find('"') != std::string_view::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  std::string out(1, quote);
  while (!text.empty()) {
    const int bytes = code_point_bytes(text);
    const char32_t code = code_point(text);
    if (code == '\n') {
      out += "\\n";
    } else if (code == '\r') {
      out += "\\r";
    } else if (code == '\t') {
      out += "\\t";
    } else if (code == '\\' || code == static_cast<char32_t>(quote)) {
      out += '\\';
      out += static_cast<char>(code);
    } else if (printable(code)) {
      out.append(text.substr(0, bytes));
    } else if (code < 0x100) {
      out += fmt::format("\\x{:02x}", static_cast<uint32_t>(code));
    } else if (code < 0x10000) {
      out += fmt::format("\\u{:04x}", static_cast<uint32_t>(code));
    } else {
      out += fmt::format("\\U{:08x}", static_cast<uint32_t>(code));
    }
    text.remove_prefix(bytes);
  }
  return out + quote;
}

}  // namespace issun::chat::jinja
