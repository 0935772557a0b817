#include "gguf/quote.h"

#include <fmt/format.h>

#include <iterator>

namespace issun::gguf {

std::string printable(std::string_view name) {
  constexpr size_t kLongest = 64;
  std::string text;
  for (const char c : name.substr(0, kLongest)) {
    if (c >= ' ' && c <= '~') {
      text += c;
    } else {
      fmt::format_to(std::back_inserter(text), "\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  if (name.size() > kLongest) text += "...";
  return text;
}

}  // namespace issun::gguf
