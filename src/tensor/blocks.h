// The blocks of the file format, byte for byte, in file order. Scales `d` are binary16 bits
// (half.h). In a file a block is aligned to two bytes at best: read it through memcpy or unaligned
// loads.
#pragma once

#include <cstdint>

namespace issun {

// 32 values: x = d * (nibble - 8); low nibbles are values 0..15, high nibbles 16..31.
struct BlockQ4_0 {
  uint16_t d;
  uint8_t nibbles[16];
};
static_assert(sizeof(BlockQ4_0) == 18);

// 32 values: x = d * q.
struct BlockQ8_0 {
  uint16_t d;
  int8_t q[32];
};
static_assert(sizeof(BlockQ8_0) == 34);

// 256 values in 8 groups of 32: x = d * scale * q - dmin * min.
// scales: 8 scales and 8 mins of 6 bits, packed (unpack_scales_k4).
// nibbles: 32 bytes hold two groups, the even one in the low nibbles.
struct BlockQ4_K {
  uint16_t d, dmin;
  uint8_t scales[12];
  uint8_t nibbles[128];
};
static_assert(sizeof(BlockQ4_K) == 144);

// As Q4_K, with a fifth bit: bit g of high[i] belongs to value i of group g.
struct BlockQ5_K {
  uint16_t d, dmin;
  uint8_t scales[12];
  uint8_t high[32];
  uint8_t nibbles[128];
};
static_assert(sizeof(BlockQ5_K) == 176);

// 256 values in 16 groups of 16: x = d * scale * (q - 32), q of 6 bits.
// Each half (128 values) takes 64 bytes of low and 32 of high: for l in 0..31, values l, l+32,
// l+64, l+96 have their low four bits in low[l] & 15, low[l+32] & 15, low[l] >> 4, low[l+32] >> 4,
// and their high two bits in bits 0-1, 2-3, 4-5, 6-7 of high[l].
struct BlockQ6_K {
  uint8_t low[128];
  uint8_t high[64];
  int8_t scales[16];
  uint16_t d;
};
static_assert(sizeof(BlockQ6_K) == 210);

// The 12 packed bytes of Q4_K and Q5_K as 8 scales and 8 mins, each 0..63.
constexpr void unpack_scales_k4(const uint8_t* packed, uint8_t* scales, uint8_t* mins) {
  for (int g = 0; g < 4; ++g) {
    scales[g] = packed[g] & 63;
    mins[g] = packed[g + 4] & 63;
    scales[g + 4] = static_cast<uint8_t>((packed[g + 8] & 15) | ((packed[g] >> 6) << 4));
    mins[g + 4] = static_cast<uint8_t>((packed[g + 8] >> 4) | ((packed[g + 4] >> 6) << 4));
  }
}

constexpr void pack_scales_k4(const uint8_t* scales, const uint8_t* mins, uint8_t* packed) {
  for (int g = 0; g < 4; ++g) {
    packed[g] = static_cast<uint8_t>(scales[g] | ((scales[g + 4] >> 4) << 6));
    packed[g + 4] = static_cast<uint8_t>(mins[g] | ((mins[g + 4] >> 4) << 6));
    packed[g + 8] = static_cast<uint8_t>((scales[g + 4] & 15) | ((mins[g + 4] & 15) << 4));
  }
}

}  // namespace issun
