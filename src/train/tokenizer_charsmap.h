// Precompiled charsmaps made: the other way of tokenizer/charsmap.h.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace issun::train {

// The bytes of tokenizer.ggml.precompiled_charsmap for these texts and what each becomes. No text
// is empty, and no text and no replacement has a zero byte. Every byte that may follow a text leads
// to a unit inside the array, so that readers need not look where they read.
std::vector<uint8_t> make_charsmap(const std::map<std::string, std::string>& replaced);

}  // namespace issun::train
