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

// As Q4_0: x = d * nibble + m.
struct BlockQ4_1 {
  uint16_t d, m;
  uint8_t nibbles[16];
};
static_assert(sizeof(BlockQ4_1) == 20);

// As Q4_0, with a fifth bit: bit i of the 32 in `high` belongs to value i. x = d * (q - 16).
struct BlockQ5_0 {
  uint16_t d;
  uint8_t high[4];
  uint8_t nibbles[16];
};
static_assert(sizeof(BlockQ5_0) == 22);

// As Q5_0: x = d * q + m.
struct BlockQ5_1 {
  uint16_t d, m;
  uint8_t high[4];
  uint8_t nibbles[16];
};
static_assert(sizeof(BlockQ5_1) == 24);

// 32 values: x = d * q.
struct BlockQ8_0 {
  uint16_t d;
  int8_t q[32];
};
static_assert(sizeof(BlockQ8_0) == 34);

// 128 values: x = d or, where its bit is 0, -d. Bits from the lowest of the first byte.
struct BlockQ1_0 {
  uint16_t d;
  uint8_t bits[16];
};
static_assert(sizeof(BlockQ1_0) == 18);

// 64 values: x = d * (q - 1), q of two bits, from the lowest of the first byte.
struct BlockQ2_0 {
  uint16_t d;
  uint8_t pairs[16];
};
static_assert(sizeof(BlockQ2_0) == 18);

// 256 values: x = d * (t - 1), t one of five digits 0..2 in a byte (next_trit). The first digits of
// the first 32 bytes, then their second ones, ...; then those of 16 bytes; then four digits of the
// last 4 bytes.
struct BlockTQ1_0 {
  uint8_t trits[48];
  uint8_t last_trits[4];
  uint16_t d;
};
static_assert(sizeof(BlockTQ1_0) == 54);

// 256 values: x = d * (q - 1). Each half takes 32 bytes: value 32 j + l has bits 2j, 2j + 1 of
// byte l.
struct BlockTQ2_0 {
  uint8_t pairs[64];
  uint16_t d;
};
static_assert(sizeof(BlockTQ2_0) == 66);

// 32 values: x = 2^(e - 128) * kCodesFp4[nibble]; nibbles as in Q4_0.
struct BlockMXFP4 {
  uint8_t e;
  uint8_t nibbles[16];
};
static_assert(sizeof(BlockMXFP4) == 17);

// 64 values in 4 groups of 16: x = half_ue4m3(scale) * kCodesFp4[nibble]. Eight bytes are a group,
// values 0..7 in the low nibbles.
struct BlockNVFP4 {
  uint8_t scales[4];
  uint8_t nibbles[32];
};
static_assert(sizeof(BlockNVFP4) == 36);

// 256 values in 16 groups of 16: x = d * scale * q - dmin * min, q of two bits.
// scales: the scale in the low nibble, the min in the high one. Each half (128 values) takes 32
// bytes: value 32 j + l has bits 2j, 2j + 1 of byte l.
struct BlockQ2_K {
  uint8_t scales[16];
  uint8_t pairs[64];
  uint16_t d, dmin;
};
static_assert(sizeof(BlockQ2_K) == 84);

// 256 values in 16 groups of 16: x = d * (scale - 32) * (q - 4), q of three bits: two as in Q2_K,
// the third of value 32 g + l is bit g of high[l].
// scales: 16 of six bits (unpack_scales_k3).
struct BlockQ3_K {
  uint8_t high[32];
  uint8_t pairs[64];
  uint8_t scales[12];
  uint16_t d;
};
static_assert(sizeof(BlockQ3_K) == 110);

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

// As Q4_0: x = d * kCodesIq4[nibble].
struct BlockIQ4_NL {
  uint16_t d;
  uint8_t nibbles[16];
};
static_assert(sizeof(BlockIQ4_NL) == 18);

// 256 values in 8 groups of 32: x = d * (scale - 32) * kCodesIq4[nibble]; 16 bytes of nibbles are a
// group, in the order of Q4_0. Scales of six bits: group g has four in nibble g of scales_low, two
// in bits 2g, 2g + 1 of scales_high.
struct BlockIQ4_XS {
  uint16_t d;
  uint16_t scales_high;
  uint8_t scales_low[4];
  uint8_t nibbles[128];
};
static_assert(sizeof(BlockIQ4_XS) == 136);

// The blocks that follow hold 256 values in groups of 32, a quarter of a group being 8 values: one
// entry of a codebook (codebooks.h) or two, and eight signs, the first in the lowest bit, 1 for
// minus.

// x = d * (scale + 1/2) / 4 * entry. A group: 4 bytes with the places of its entries, then 32 bits:
// four times the seven of even_signs and four of scale.
struct BlockIQ2_XXS {
  uint16_t d;
  uint16_t groups[8][4];
};
static_assert(sizeof(BlockIQ2_XXS) == 66);

// x as IQ2_XXS; a scale of four bits for each half of a group, the first in the low nibble.
// Quarters of 9 bits of place and the 7 of even_signs.
struct BlockIQ2_XS {
  uint16_t d;
  uint16_t quarters[32];
  uint8_t scales[8];
};
static_assert(sizeof(BlockIQ2_XS) == 74);

// x and scales as IQ2_XS. Places of 10 bits: bits 2j, 2j + 1 of a group's byte in `high` are the
// upper ones of quarter j.
struct BlockIQ2_S {
  uint16_t d;
  uint8_t low[32];
  uint8_t signs[32];
  uint8_t high[8];
  uint8_t scales[8];
};
static_assert(sizeof(BlockIQ2_S) == 82);

// x = d * (scale + 1/2) / 2 * entry, two entries of four values in a quarter. `groups`: 32 bits as
// in IQ2_XXS.
struct BlockIQ3_XXS {
  uint16_t d;
  uint8_t places[64];
  uint16_t groups[8][2];
};
static_assert(sizeof(BlockIQ3_XXS) == 98);

// x = d * (1 + 2 scale) * entry; group g has nibble g of `scales`. Places of 9 bits: bit i of a
// group's byte in `high` is the upper one of its entry i.
struct BlockIQ3_S {
  uint16_t d;
  uint8_t low[64];
  uint8_t high[8];
  uint8_t signs[32];
  uint8_t scales[4];
};
static_assert(sizeof(BlockIQ3_S) == 110);

// x = d * (1 + 2 scale) * (value + 1/8), or - 1/8 where the top bit of the group's `high` is set;
// below it three bits of scale, below these three upper bits of place for each quarter.
struct BlockIQ1_S {
  uint16_t d;
  uint8_t low[32];
  uint16_t high[8];
};
static_assert(sizeof(BlockIQ1_S) == 50);

// x as IQ1_S, each half of a group with its scale, each quarter with its eighth: nibble q of `high`
// has three upper bits of place and, on top, the bit of minus 1/8. scales: the low 12 bits have
// four scales of three bits, the high 4 are d, the lowest bits first.
struct BlockIQ1_M {
  uint8_t low[32];
  uint8_t high[16];
  uint16_t scales[4];
};
static_assert(sizeof(BlockIQ1_M) == 56);

// What follows is always inlined, since kernels use it too.

// The low four bits of 32 codes: 0..15 become low nibbles, 16..31 high ones.
__attribute__((always_inline)) constexpr void pack_nibbles(const int8_t* codes, uint8_t* nibbles) {
  for (int i = 0; i < 16; ++i)
    nibbles[i] = static_cast<uint8_t>((codes[i] & 15) | (codes[i + 16] & 15) << 4);
}

// The fifth bits of 32 codes.
__attribute__((always_inline)) constexpr void pack_fifth_bits(const int8_t* codes, uint8_t* high) {
  for (int byte = 0; byte < 4; ++byte) {
    int bits = 0;
    for (int i = 0; i < 8; ++i) bits |= (codes[8 * byte + i] >> 4 & 1) << i;
    high[byte] = static_cast<uint8_t>(bits);
  }
}

// The binary16 scale of IQ1_M.
__attribute__((always_inline)) constexpr uint16_t scale_iq1_m(const uint16_t* scales) {
  return static_cast<uint16_t>((scales[0] >> 12) | (scales[1] >> 8 & 0x00f0) |
                               (scales[2] >> 4 & 0x0f00) | (scales[3] & 0xf000));
}

// The next digit of a byte of TQ1_0, which is a fraction of 256 to the base 3, rounded up; `digits`
// becomes what is left.
__attribute__((always_inline)) constexpr int next_trit(uint8_t* digits) {
  const int times = *digits * 3;
  *digits = static_cast<uint8_t>(times);
  return times >> 8;
}

// The 12 packed bytes of Q3_K as 16 scales, each -32..31.
__attribute__((always_inline)) constexpr void unpack_scales_k3(const uint8_t* packed,
                                                               int8_t* scales) {
  for (int g = 0; g < 16; ++g) {
    const int low = packed[g % 8] >> (g / 8 * 4) & 15;
    const int high = packed[8 + g % 4] >> (g / 4 * 2) & 3;
    scales[g] = static_cast<int8_t>((low | high << 4) - 32);
  }
}

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
