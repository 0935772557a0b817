// The plain reference codec: rows of numbers to and from the bytes of a format, one value at a
// time. It defines what every format means; kernels are tested against it. Not here: anything fast.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace issun {

// Decodes one row. type: any but F64 and the integers; columns: a multiple of its block; row:
// row_bytes(type, columns) bytes of any alignment; out: `columns` floats. Products are rounded
// before sums, so that the result has the same bits everywhere.
void decode_row(DType type, const std::byte* row, int64_t columns, float* out);

// Whether encode_row knows the type.
bool can_encode(DType type);

// Encodes one row; arguments as above, of a type that can_encode. Without importance weights, and
// byte-equal to what the most used engine writes (for IQ4_NL: where it does not search). Any input
// is safe; a block with NaN, or with values beyond what its scale can reach (about 65504 times the
// largest code), comes out as some block.
void encode_row(DType type, const float* values, int64_t columns, std::byte* row);

}  // namespace issun
