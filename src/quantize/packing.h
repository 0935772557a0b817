// Codes into the bytes of blocks, where several formats have the same order. Those of blocks of 32
// values are in tensor/blocks.h.
#pragma once

#include <cstdint>
#include <cstring>

#include "tensor/blocks.h"

namespace issun::quantize {

// Of 256 codes: 32 bytes hold two groups of 32, the even one in the low nibbles.
inline void pack_group_nibbles(const int8_t* codes, uint8_t* nibbles) {
  for (int i = 0; i < 128; ++i) {
    const int8_t* pair = codes + i / 32 * 64 + i % 32;
    nibbles[i] = static_cast<uint8_t>((pair[0] & 15) | (pair[32] & 15) << 4);
  }
}

// The low two bits of 256 codes: value 32 j + l of a half has bits 2j, 2j + 1 of byte l.
inline void pack_pairs(const int8_t* codes, uint8_t* pairs) {
  for (int half = 0; half < 2; ++half) {
    for (int l = 0; l < 32; ++l) {
      int byte = 0;
      for (int j = 0; j < 4; ++j) byte |= (codes[128 * half + 32 * j + l] & 3) << (2 * j);
      pairs[32 * half + l] = static_cast<uint8_t>(byte);
    }
  }
}

// Bit `bit` of 256 codes: that of value 32 g + l is bit g of byte l.
inline void pack_group_bits(const int8_t* codes, int bit, uint8_t* high) {
  std::memset(high, 0, 32);
  for (int i = 0; i < 256; ++i)
    high[i % 32] |= static_cast<uint8_t>((codes[i] >> bit & 1) << (i / 32));
}

// Five digits to the base 3 as a fraction of 256, rounded up: next_trit takes them out again.
inline uint8_t pack_trits(const int8_t* digits, int step, int count) {
  int number = 0;
  for (int n = 0; n < 5; ++n) number = 3 * number + (n < count ? digits[n * step] : 0);
  return static_cast<uint8_t>((number * 256 + 242) / 243);
}

}  // namespace issun::quantize
