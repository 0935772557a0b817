#include "tensor/decode_k.h"

#include "tensor/half.h"

namespace issun {

namespace {

// Value i of the two-bit codes of Q2_K and Q3_K.
int two_bits(const uint8_t* pairs, int i) {
  return pairs[i / 128 * 32 + i % 32] >> (i / 32 % 4 * 2) & 3;
}

// high: the fifth bits of Q5_K, or nullptr.
template <class Block>
void decode_k(const Block& block, const uint8_t* high, float* out) {
  uint8_t scales[8], mins[8];
  unpack_scales_k4(block.scales, scales, mins);
  for (int g = 0; g < 8; ++g) {
    const float scale = f16_to_f32(block.d) * static_cast<float>(scales[g]);
    const float min = f16_to_f32(block.dmin) * static_cast<float>(mins[g]);
    for (int i = 0; i < 32; ++i) {
      const int pair = block.nibbles[g / 2 * 32 + i];
      int q = g % 2 == 0 ? pair & 15 : pair >> 4;
      if (high != nullptr) q += ((high[i] >> g) & 1) * 16;
      out[g * 32 + i] = scale * static_cast<float>(q) - min;
    }
  }
}

}  // namespace

void decode(const BlockQ2_K& block, float* out) {
  for (int i = 0; i < 256; ++i) {
    const int packed = block.scales[i / 16];
    const float scale = f16_to_f32(block.d) * static_cast<float>(packed & 15);
    const float min = f16_to_f32(block.dmin) * static_cast<float>(packed >> 4);
    out[i] = scale * static_cast<float>(two_bits(block.pairs, i)) - min;
  }
}

void decode(const BlockQ3_K& block, float* out) {
  int8_t scales[16];
  unpack_scales_k3(block.scales, scales);
  for (int i = 0; i < 256; ++i) {
    const int q = two_bits(block.pairs, i) | (block.high[i % 32] >> (i / 32) & 1) << 2;
    const float scale = f16_to_f32(block.d) * static_cast<float>(scales[i / 16]);
    out[i] = scale * static_cast<float>(q - 4);
  }
}

void decode(const BlockQ4_K& block, float* out) { decode_k(block, nullptr, out); }
void decode(const BlockQ5_K& block, float* out) { decode_k(block, block.high, out); }

void decode(const BlockQ6_K& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, quarter = i / 32 % 4, l = i % 32;
    const int low = block.low[half * 64 + quarter % 2 * 32 + l] >> (quarter / 2 * 4) & 15;
    const int high = block.high[half * 32 + l] >> (quarter * 2) & 3;
    out[i] =
        d * static_cast<float>(block.scales[i / 16]) * static_cast<float>((low | high << 4) - 32);
  }
}

}  // namespace issun
