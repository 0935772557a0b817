// A block of 256 whose groups have a scale and a smallest value, before it is bytes.
#pragma once

#include "quantize/codes.h"

namespace issun::quantize {

// Scales and smallest values of the groups are whole multiples of the block's.
struct LineBlock {
  uint16_t d = 0, dmin = 0;
  uint8_t scales[16] = {}, mins[16] = {};
  int8_t codes[256] = {};
};

inline void pack(const LineBlock& found, BlockQ2_K* block) {
  block->d = found.d;
  block->dmin = found.dmin;
  for (int g = 0; g < 16; ++g)
    block->scales[g] = static_cast<uint8_t>(found.scales[g] | found.mins[g] << 4);
  set_codes(found.codes, block);
}

// Q4_K and Q5_K.
template <class Block>
void pack(const LineBlock& found, Block* block) {
  block->d = found.d;
  block->dmin = found.dmin;
  pack_scales_k4(found.scales, found.mins, block->scales);
  set_codes(found.codes, block);
}

}  // namespace issun::quantize
