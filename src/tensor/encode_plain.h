// Encoders of the formats whose scale is read off the block's extremes: no search.
#pragma once

#include "tensor/blocks.h"

namespace issun {

// values: 32 floats.
void encode(const float* values, BlockQ4_0* block);
void encode(const float* values, BlockQ8_0* block);

}  // namespace issun
