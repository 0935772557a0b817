// Decoders of the formats whose blocks have one kind of scale: 32 to 256 values, or groups of 16
// with 8-bit scales of their own.
#pragma once

#include "tensor/blocks.h"

namespace issun {

// out: as many floats as the block has values.
void decode(const BlockQ4_0& block, float* out);
void decode(const BlockQ4_1& block, float* out);
void decode(const BlockQ5_0& block, float* out);
void decode(const BlockQ5_1& block, float* out);
void decode(const BlockQ8_0& block, float* out);
void decode(const BlockQ1_0& block, float* out);
void decode(const BlockQ2_0& block, float* out);
void decode(const BlockTQ1_0& block, float* out);
void decode(const BlockTQ2_0& block, float* out);
void decode(const BlockMXFP4& block, float* out);
void decode(const BlockNVFP4& block, float* out);

}  // namespace issun
