#include "base/quote.h"

#include <fmt/format.h>

#include <iterator>

#include "base/utf8.h"

namespace issun {

namespace {

void append_escaped(std::string_view bytes, std::string& text) {
  for (const char c : bytes) {
    fmt::format_to(std::back_inserter(text), "\\x{:02x}", static_cast<unsigned char>(c));
  }
}

bool steers(char32_t code) { return code < ' ' || (code >= 0x7F && code <= 0x9F); }

std::string without_controls(std::string_view text, bool keep_line_ends) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    const std::string_view bytes = text.substr(at, static_cast<size_t>(c.bytes));
    at += bytes.size();
    if (c.code == '\n' && keep_line_ends) {
      out += '\n';
    } else if (c.state != Utf8::Valid || steers(c.code)) {
      append_escaped(bytes, out);
    } else {
      out += bytes;
    }
  }
  return out;
}

}  // namespace

std::string printable(std::string_view name) {
  constexpr size_t kLongest = 64;
  std::string text;
  for (const char c : name.substr(0, kLongest)) {
    if (c >= ' ' && c <= '~') {
      text += c;
    } else {
      append_escaped({&c, 1}, text);
    }
  }
  if (name.size() > kLongest) text += "...";
  return text;
}

std::string visible(std::string_view text) { return without_controls(text, false); }
std::string visible_lines(std::string_view text) { return without_controls(text, true); }

std::string last_line(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  return visible(text.substr(text.rfind('\n') + 1));
}

}  // namespace issun
