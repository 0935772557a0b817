// GPT-2's alphabet: every byte as one printable character, in which byte-level BPE vocabularies are
// written. Printable Latin-1 stands for itself, the other 68 bytes are U+0100 to U+0143 in order.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace issun::tokenizer {

// The character of a byte, as UTF-8 (one or two bytes).
std::string_view char_of_byte(uint8_t byte);

// Appends the bytes that a token text in this alphabet stands for; characters outside it stay as
// they are.
void append_bytes_of_chars(std::string_view text, std::string& out);

}  // namespace issun::tokenizer
