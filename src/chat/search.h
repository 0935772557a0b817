// Searching the texts of templates and answers.
#pragma once

#include <string_view>

namespace issun::chat {

constexpr auto npos = std::string_view::npos;
constexpr std::string_view kBlanks = " \t\r\n";

inline bool has(std::string_view text, std::string_view piece) { return text.find(piece) != npos; }

}  // namespace issun::chat
