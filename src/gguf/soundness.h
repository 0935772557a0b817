// Whether the numbers of a tensor can be computed with: finite values, finite block scales.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace issun::gguf {

struct Soundness {
  int64_t bad_blocks = 0;  // blocks (single values for plain formats) with a NaN or an infinity
  int64_t first_row = 0, first_column = 0;  // where the first of them stands
};

// Reads the whole tensor. Integer types are always sound.
Soundness check_numbers(const Tensor& tensor);

}  // namespace issun::gguf
