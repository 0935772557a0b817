// The plain reference codec: rows of numbers to and from the bytes of a format, one value at a
// time. It defines what every format means; kernels are tested against it. Not here: anything fast.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace issun {

// Decodes one row. type: computable (facts(type).computable); columns: a multiple of its block;
// row: row_bytes(type, columns) bytes of any alignment; out: `columns` floats.
// Products are rounded before sums, so that the result has the same bits everywhere.
void decode_row(DType type, const std::byte* row, int64_t columns, float* out);

// Encodes one row; arguments as above. Finite input gives finite scales as long as its magnitude
// fits binary16 times the format's range. The searches are those of "specs: encoders, to be
// byte-equal", without importance weights.
void encode_row(DType type, const float* values, int64_t columns, std::byte* row);

}  // namespace issun
