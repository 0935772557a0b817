// Half-quadratic quantisation (Badri and Shaji, 2023): the zero point of each group moves to where
// the errors' p-norm is least, p < 1, so that a few outliers do not pull it. No data, no weights.
// Scales stay those of the extremes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace issun::quantize {

// Whether groups of the format have a zero point of their own: Q4_1, Q5_1, Q2_K, Q4_K, Q5_K.
bool has_zero_point(DType type);
// One row; columns: a multiple of the type's block.
void encode_row_hqq(DType type, const float* values, int64_t columns, std::byte* row);

}  // namespace issun::quantize
