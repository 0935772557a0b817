// What a GGUF file may hold, the same for reading and for writing.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "tensor/dtype.h"

namespace issun::gguf {

constexpr std::string_view kAlignmentKey = "general.alignment";
constexpr int64_t kDefaultAlignment = 32;

constexpr uint64_t kLongestKey = 65535;      // by the format's specification
constexpr uint64_t kLongestTensorName = 63;  // what the most used engine can hold

// Error: not a power of two from 8 (every number in place is aligned) to 1 MiB (a small file stays
// small).
Result<void> check_alignment(int64_t alignment);

// Bytes of a tensor. Error: a size below one, rows that are not whole blocks, or more than 2^63
// values or bytes.
Result<int64_t> extent_bytes(const DTypeFacts& format, const std::array<int64_t, 4>& size);

}  // namespace issun::gguf
