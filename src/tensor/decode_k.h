// Decoders of the 256-value blocks whose groups have scales of few bits, multiples of a common one.
#pragma once

#include "tensor/blocks.h"

namespace issun {

// out: 256 floats.
void decode(const BlockQ2_K& block, float* out);
void decode(const BlockQ3_K& block, float* out);
void decode(const BlockQ4_K& block, float* out);
void decode(const BlockQ5_K& block, float* out);
void decode(const BlockQ6_K& block, float* out);

}  // namespace issun
