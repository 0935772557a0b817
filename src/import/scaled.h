// Tensors that are stored as codes and, in a tensor beside them, scales: MXFP4 as gpt-oss has it,
// and 8-bit floats (E4M3) with a scale for each block of 128 x 128 or for the whole.
#pragma once

#include <span>
#include <vector>

#include "safetensors/file.h"
#include "tensor/dtype.h"

namespace issun::import {

using safetensors::StoredTensor;

struct Scaled {
  const StoredTensor* codes = nullptr;
  // nullptr: the codes are numbers by themselves.
  const StoredTensor* scales = nullptr;

  // What a file has without being asked for another type: MXFP4 stays, 8-bit floats become BF16.
  // Error: numbers that are no floats, scales of another kind or shape.
  Result<DType> type() const;
  // Of the numbers that are meant, outermost first: MXFP4's codes are stored as (..., blocks, 16).
  std::vector<int64_t> shape() const;
  int64_t columns() const;  // the last of it
  // Numbers [column, column + out.size()) of a row; of MXFP4 whole blocks.
  void read(int64_t row, int64_t column, std::span<float> out) const;
  // The bytes of a row of MXFP4 as a GGUF file has them.
  void pack(int64_t row, std::span<std::byte> out) const;
};

}  // namespace issun::import
