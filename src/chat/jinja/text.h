// Text as Python counts it: positions are code points, blanks are Unicode's.
// Bytes that are no UTF-8 count as one code point a malformed part and pass through unchanged.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace issun::chat::jinja {

// How many bytes the code point at the start of `text` (not empty) takes.
int code_point_bytes(std::string_view text);
// The code point at the start; U+FFFD where the bytes are no UTF-8.
char32_t code_point(std::string_view text);

int64_t count_code_points(std::string_view text);
// Code points begin .. end - 1, with 0 <= begin and end; what lies behind the end is left out.
std::string_view code_points(std::string_view text, int64_t begin, int64_t end);

bool is_space(char32_t code);  // Python's str.isspace
std::string_view strip_left(std::string_view text);
std::string_view strip_right(std::string_view text);
std::string_view strip(std::string_view text);
// Strips every code point that occurs in `characters` instead of blanks.
std::string_view strip_left(std::string_view text, std::string_view characters);
std::string_view strip_right(std::string_view text, std::string_view characters);

// Simple case mapping of the Latin, Greek and Cyrillic letters up to U+052F; others stay as they
// are.
char32_t to_upper(char32_t code);
char32_t to_lower(char32_t code);
std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string capitalize(std::string_view text);  // first letter large, the rest small
std::string title(std::string_view text);       // the first letter of each run of letters large
bool is_letter(char32_t code);                  // Unicode category L

// As Python's repr() writes a string, quotes included.
std::string quoted(std::string_view text);

}  // namespace issun::chat::jinja
