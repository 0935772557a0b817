// Encoders of the formats whose scale is read off the block's extremes: no search.
#pragma once

#include "tensor/blocks.h"

namespace issun {

// values: 32 floats.
void encode(const float* values, BlockQ4_0* block);
void encode(const float* values, BlockQ4_1* block);
void encode(const float* values, BlockQ5_0* block);
void encode(const float* values, BlockQ5_1* block);
void encode(const float* values, BlockQ8_0* block);
// The codes nearest with the scale that takes the extreme to -127, then the scale with the least
// squared error for these codes, each value weighing its square.
void encode(const float* values, BlockIQ4_NL* block);

}  // namespace issun
