// Encoders of the 256-value blocks: a search for each group's scale, then scales of the scales.
#pragma once

#include "tensor/blocks.h"

namespace issun {

// values: 256 floats.
void encode(const float* values, BlockQ4_K* block);
void encode(const float* values, BlockQ5_K* block);
void encode(const float* values, BlockQ6_K* block);

}  // namespace issun
