// Values made in memory, for metadata that a program writes.
#pragma once

#include "gguf/metadata.h"

namespace issun::gguf {

// Strings are views: what they point to has to outlive the value.
Value make_u32(uint32_t number);
Value make_i32(int32_t number);
Value make_u64(uint64_t number);
Value make_f32(float number);
Value make_bool(bool flag);
Value make_string(std::string_view text);
Value make_strings(std::vector<std::string_view> texts);
Value make_i32s(std::span<const int32_t> numbers);
// Bytes: numbers from 0 to 255.
Value make_u8s(std::span<const uint8_t> bytes);
Value make_f32s(std::span<const float> numbers);
Value make_bools(const std::vector<bool>& flags);

}  // namespace issun::gguf
