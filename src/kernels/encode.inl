// Rows of floats as the formats that a cache may have: the bytes that the plain encoders of tensor
// write, on every instruction set.
#pragma once

#include "kernels/formats.inl"
#include "tensor/blocks.h"

namespace issun::kernels {
namespace {

template <class Format>
void encode_row(const float* x, int n, void* row) {
  auto* to = static_cast<uint8_t*>(row);
  int i = 0;
  for (; i + 16 <= n; i += 16) Format::store16(to + i * Format::kBytes, load(x + i));
  if (i < n) {
    uint8_t tail[16 * Format::kBytes];
    Format::store16(tail, load_first(x + i, n - i));
    __builtin_memcpy(to + i * Format::kBytes, tail, static_cast<size_t>((n - i) * Format::kBytes));
  }
}

inline uint16_t half_of(float x) {
  uint16_t h[16];
  store_f16(h, splat(x));
  return h[0];
}

// y without its fraction; y >= 0.
inline I32x16 truncated(F32x16 y) {
  const I32x16 nearest = round_to_i32(y);
  const F32x16 one = splat(1.0f);
  const F32x16 not_above = zero_where_below(y, to_f32(nearest), one);
  return add(nearest, round_to_i32(sub(not_above, one)));
}

// The nearest whole number, that further from zero where two are as near.
inline I32x16 rounded_away(F32x16 y) {
  const F32x16 size = abs(y), nearest = to_f32(round_to_i32(size));
  const F32x16 up = zero_where_below(sub(size, nearest), splat(0.5f), splat(1.0f));
  const F32x16 sign = sub(zero_where_below(y, zero_f32(), splat(2.0f)), splat(1.0f));
  return round_to_i32(mul(add(nearest, up), sign));
}

struct Extremes {
  float low, high;
};
inline Extremes extremes_of(const float* x) {
  const F32x16 a = load(x), b = load(x + 16), zero = zero_f32();
  return {0.0f - largest(max(sub(zero, a), sub(zero, b))), largest(max(a, b)) + 0.0f};
}

// The value of largest magnitude, the first of them.
inline float extreme_of(const float* x) {
  const Extremes e = extremes_of(x);
  if (e.high != -e.low) return e.high > -e.low ? e.high : e.low;
  for (int i = 0; i < 32; ++i)
    if (__builtin_fabsf(x[i]) == e.high) return e.high == 0 ? 0 : x[i];
  return 0;
}

// (x - offset) * inverse + first, without fractions, up to `highest`, which is not below 0.
inline void codes_on_line(const float* x, float offset, float inverse, float first, float highest,
                          int8_t* codes) {
  for (int i = 0; i < 32; i += 16) {
    const F32x16 y = add(mul(sub(load(x + i), splat(offset)), splat(inverse)), splat(first));
    store_bytes(codes + i, truncated(min(splat(highest + 0.5f), y)));
  }
}

// 32 values around zero, with the scale that takes the extreme to -zero.
inline uint16_t encode_around(const float* x, int zero, int8_t* codes) {
  const float d = extreme_of(x) / static_cast<float>(-zero);
  codes_on_line(x, 0, d != 0 ? 1 / d : 0, static_cast<float>(zero) + 0.5f,
                static_cast<float>(2 * zero - 1), codes);
  return half_of(d);
}

// 32 values from the least one on; scale and offset, as halves.
inline void encode_from(const float* x, float highest, int8_t* codes, uint16_t* d, uint16_t* m) {
  const Extremes e = extremes_of(x);
  const float scale = (e.high - e.low) / highest;
  codes_on_line(x, e.low, scale != 0 ? 1 / scale : 0, 0.5f, highest, codes);
  *d = half_of(scale);
  *m = half_of(e.low + 0.0f);
}

// 32 values each.
inline void encode_block(const float* x, BlockQ4_0* block) {
  int8_t codes[32];
  block->d = encode_around(x, 8, codes);
  pack_nibbles(codes, block->nibbles);
}
inline void encode_block(const float* x, BlockQ5_0* block) {
  int8_t codes[32];
  block->d = encode_around(x, 16, codes);
  pack_nibbles(codes, block->nibbles);
  pack_fifth_bits(codes, block->high);
}
inline void encode_block(const float* x, BlockQ4_1* block) {
  int8_t codes[32];
  encode_from(x, 15, codes, &block->d, &block->m);
  pack_nibbles(codes, block->nibbles);
}
inline void encode_block(const float* x, BlockQ5_1* block) {
  int8_t codes[32];
  encode_from(x, 31, codes, &block->d, &block->m);
  pack_nibbles(codes, block->nibbles);
  pack_fifth_bits(codes, block->high);
}
inline void encode_block(const float* x, BlockQ8_0* block) {
  const float d = largest(max(abs(load(x)), abs(load(x + 16)))) / 127;
  const F32x16 inverse = splat(d != 0 ? 1 / d : 0);
  block->d = half_of(d);
  for (int i = 0; i < 32; i += 16)
    store_bytes(block->q + i, rounded_away(mul(load(x + i), inverse)));
}
inline void encode_block(const float* x, BlockIQ4_NL* block) {
  const float first = extreme_of(x) / static_cast<float>(kCodesIq4[0]);
  const F32x16 inverse = splat(first != 0 ? 1 / first : 0), one = splat(1.0f);
  int8_t codes[32];
  for (int i = 0; i < 32; i += 16) {
    const F32x16 y = mul(load(x + i), inverse);
    F32x16 place = zero_f32();
    for (int n = 0; n < 15; ++n) place = add(place, zero_where_below(y, splat(middle_iq4(n)), one));
    store_bytes(codes + i, round_to_i32(place));
  }
  float xq = 0, qq = 0;
  for (int i = 0; i < 32; ++i) {
    const float weight = x[i] * x[i], q = kCodesIq4[codes[i] & 15];
    xq += weight * q * x[i];
    qq += weight * q * q;
  }
  block->d = half_of(qq > 0 ? xq / qq : 0);
  pack_nibbles(codes, block->nibbles);
}

// The last block is filled up with zeros.
template <class Block>
void encode_blocks(const float* x, int n, void* row) {
  auto* to = static_cast<uint8_t*>(row);
  for (int i = 0; i < n; i += 32, to += sizeof(Block)) {
    Block block;
    if (n - i >= 32) {
      encode_block(x + i, &block);
    } else {
      alignas(64) float last[32] = {};
      __builtin_memcpy(last, x + i, static_cast<size_t>(n - i) * sizeof(float));
      encode_block(last, &block);
    }
    __builtin_memcpy(to, &block, sizeof block);
  }
}

}  // namespace
}  // namespace issun::kernels
