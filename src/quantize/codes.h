// The codes of a block into its bytes, its scales staying as they are. Codes are the whole numbers
// that scales multiply, or places in a table of levels in ascending order. Not here: entries of
// codebooks (encode_book.cpp).
#pragma once

#include "kernels/search.h"
#include "quantize/packing.h"
#include "tensor/blocks.h"
#include "tensor/codebooks.h"

namespace issun::quantize {

// Halves between the neighbours of ascending values.
constexpr kernels::Levels levels_of(std::initializer_list<int8_t> values) {
  kernels::Levels levels{};
  for (const int8_t value : values) {
    levels.values[levels.count] = value;
    if (levels.count > 0)
      levels.middles[levels.count - 1] =
          (levels.values[levels.count - 1] + levels.values[levels.count]) / 2;
    ++levels.count;
  }
  return levels;
}
constexpr kernels::Levels kLevelsIq4 =
    levels_of({kCodesIq4[0], kCodesIq4[1], kCodesIq4[2], kCodesIq4[3], kCodesIq4[4], kCodesIq4[5],
               kCodesIq4[6], kCodesIq4[7], kCodesIq4[8], kCodesIq4[9], kCodesIq4[10], kCodesIq4[11],
               kCodesIq4[12], kCodesIq4[13], kCodesIq4[14], kCodesIq4[15]});
// The values of E2M1, and the nibble of each.
constexpr kernels::Levels kLevelsFp4 =
    levels_of({-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12});
constexpr int fp4_nibble(int place) { return place < 7 ? 15 - place : place - 7; }

// `count` codes, each with `lift` added.
template <int count>
struct Lifted {
  int8_t codes[count];
  Lifted(const int8_t* from, int lift) {
    for (int i = 0; i < count; ++i) codes[i] = static_cast<int8_t>(from[i] + lift);
  }
};

inline void set_codes(const int8_t* codes, BlockQ4_0* block) {
  pack_nibbles(Lifted<32>(codes, 8).codes, block->nibbles);
}
inline void set_codes(const int8_t* codes, BlockQ4_1* block) {
  pack_nibbles(codes, block->nibbles);
}
inline void set_codes(const int8_t* codes, BlockQ5_0* block) {
  const Lifted<32> lifted(codes, 16);
  pack_nibbles(lifted.codes, block->nibbles);
  pack_fifth_bits(lifted.codes, block->high);
}
inline void set_codes(const int8_t* codes, BlockQ5_1* block) {
  pack_nibbles(codes, block->nibbles);
  pack_fifth_bits(codes, block->high);
}
inline void set_codes(const int8_t* codes, BlockQ8_0* block) { std::memcpy(block->q, codes, 32); }
inline void set_codes(const int8_t* codes, BlockIQ4_NL* block) {
  pack_nibbles(codes, block->nibbles);
}
inline void set_codes(const int8_t* codes, BlockQ2_K* block) { pack_pairs(codes, block->pairs); }
inline void set_codes(const int8_t* codes, BlockQ4_K* block) {
  pack_group_nibbles(codes, block->nibbles);
}
inline void set_codes(const int8_t* codes, BlockQ5_K* block) {
  pack_group_nibbles(codes, block->nibbles);
  pack_group_bits(codes, 4, block->high);
}
inline void set_codes(const int8_t* codes, BlockQ3_K* block) {
  const Lifted<256> lifted(codes, 4);
  pack_pairs(lifted.codes, block->pairs);
  pack_group_bits(lifted.codes, 2, block->high);
}
inline void set_codes(const int8_t* codes, BlockQ6_K* block) {
  const Lifted<256> lifted(codes, 32);
  for (int half = 0; half < 2; ++half) {
    const int8_t* from = lifted.codes + 128 * half;
    uint8_t* low = block->low + 64 * half;
    for (int l = 0; l < 64; ++l)
      low[l] = static_cast<uint8_t>((from[l] & 15) | (from[l + 64] & 15) << 4);
    for (int l = 0; l < 32; ++l) {
      int byte = 0;
      for (int j = 0; j < 4; ++j) byte |= from[32 * j + l] >> 4 << (2 * j);
      block->high[32 * half + l] = static_cast<uint8_t>(byte);
    }
  }
}
inline void set_codes(const int8_t* codes, BlockIQ4_XS* block) {
  for (int g = 0; g < 8; ++g) pack_nibbles(codes + 32 * g, block->nibbles + 16 * g);
}
inline void set_codes(const int8_t* codes, BlockQ2_0* block) {
  std::memset(block->pairs, 0, sizeof block->pairs);
  for (int i = 0; i < 64; ++i)
    block->pairs[i / 4] |= static_cast<uint8_t>((codes[i] + 1) << (i % 4 * 2));
}
inline void set_codes(const int8_t* codes, BlockTQ1_0* block) {
  const Lifted<256> digits(codes, 1);
  for (int i = 0; i < 32; ++i) block->trits[i] = pack_trits(digits.codes + i, 32, 5);
  for (int i = 0; i < 16; ++i) block->trits[32 + i] = pack_trits(digits.codes + 160 + i, 16, 5);
  for (int i = 0; i < 4; ++i) block->last_trits[i] = pack_trits(digits.codes + 240 + i, 4, 4);
}
inline void set_codes(const int8_t* codes, BlockTQ2_0* block) {
  pack_pairs(Lifted<256>(codes, 1).codes, block->pairs);
}
inline void set_codes(const int8_t* codes, BlockMXFP4* block) {
  int8_t nibbles[32];
  for (int i = 0; i < 32; ++i) nibbles[i] = static_cast<int8_t>(fp4_nibble(codes[i]));
  pack_nibbles(nibbles, block->nibbles);
}
inline void set_codes(const int8_t* codes, BlockNVFP4* block) {
  for (int g = 0; g < 4; ++g) {
    for (int i = 0; i < 8; ++i)
      block->nibbles[8 * g + i] = static_cast<uint8_t>(fp4_nibble(codes[16 * g + i]) |
                                                       fp4_nibble(codes[16 * g + i + 8]) << 4);
  }
}

}  // namespace issun::quantize
