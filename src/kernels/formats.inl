// What the bytes of each format mean, once: how 256 weights (a unit) give their scales and, 64 at a
// time, their integers. Nothing else in the kernels knows the bits. Layouts: tensor/blocks.h.
//
// A format has
//   kType            its DType id
//   kBlock, kBytes   columns and bytes of a block; a unit is 256 / kBlock blocks
//   kGroup           weights that share a scale: 32 or 16
//   kSigned          weights<c>() are signed bytes; otherwise they are 0..127 and
//   kZero            stands for zero
//   kPairSums        sums of so many pairs of products (of weights that are not signed) fit into 16
//   bits kMins            each group also has an offset that is subtracted scales(unit)     16
//   floats: a scale for each group and, with kMins, 8 offsets in the upper half weights<c>(unit)
//   integers of the columns [64 c, 64 c + 64) kIntegerScales   scales are a number times small
//   integers: integers(unit)   16 of them: a scale for each group and, with kMins, 8 mins in the
//   upper half scale(unit)      what the scales are multiples of; with kMins, min_scale(unit) of
//   the mins halves<h>(unit, w)  128 weights as w[0] and w[1]: the columns [128 h + 64 i, ...) of
//   w[i], but with kMins
//                    in the order of Q8Block::q_pairs
#pragma once

#include "tensor/blocks.h"
#include "tensor/dtype.h"

namespace issun::kernels {
namespace {

using namespace simd;

constexpr int kUnit = 256;

inline uint16_t load_u16(const uint8_t* p) {
  uint16_t h;
  __builtin_memcpy(&h, p, 2);
  return h;
}

struct Q8_0 {
  static constexpr DType kType = DType::Q8_0;
  static constexpr int kBlock = 32, kBytes = 34, kGroup = 32, kZero = 0;
  static constexpr bool kSigned = true, kMins = false, kIntegerScales = false;
  static F32x16 scales(const uint8_t* unit) {
    uint16_t d[8];
    for (int b = 0; b < 8; ++b) d[b] = load_u16(unit + b * kBytes);
    return halves_to_f32(d);
  }
  template <int c>
  static I8x64 weights(const uint8_t* unit) {
    const auto* q = reinterpret_cast<const int8_t*>(unit + 2);
    return join(q + 2 * c * kBytes, q + (2 * c + 1) * kBytes);
  }
};

struct Q4_0 {
  static constexpr DType kType = DType::Q4_0;
  static constexpr int kBlock = 32, kBytes = 18, kGroup = 32, kZero = 8;
  static constexpr int kPairSums = 8;  // 8 * 2 * 15 * 127 = 30480
  static constexpr bool kSigned = false, kMins = false, kIntegerScales = false;
  static F32x16 scales(const uint8_t* unit) {
    uint16_t d[8];
    for (int b = 0; b < 8; ++b) d[b] = load_u16(unit + b * kBytes);
    return halves_to_f32(d);
  }
  template <int c>
  static U8x64 weights(const uint8_t* unit) {
    return nibbles16(unit + 2 * c * kBytes + 2, unit + (2 * c + 1) * kBytes + 2);
  }
};

// Q4_K and Q5_K.
struct WithMins {
  static constexpr int kBlock = 256, kGroup = 32, kZero = 0;
  static constexpr bool kSigned = false, kMins = true, kIntegerScales = true;
  static F32x16 scales(const uint8_t* unit) {
    return mul(to_f32(integers(unit)), halves(scale(unit), min_scale(unit)));
  }
  static I16x16 integers(const uint8_t* unit) { return unpack_six_bits(unit); }
  static float scale(const uint8_t* unit) { return half_to_float(load_u16(unit)); }
  static float min_scale(const uint8_t* unit) { return half_to_float(load_u16(unit + 2)); }
};

struct Q4_K : WithMins {
  static constexpr DType kType = DType::Q4_K;
  static constexpr int kBytes = sizeof(BlockQ4_K), kPairSums = 8;
  template <int c>
  static U8x64 weights(const uint8_t* unit) {
    return nibbles(unit + 16 + 32 * c);
  }
  template <int h>
  static void halves(const uint8_t* unit, U8x64 (&w)[2]) {
    const U8x64 both = load_once(unit + 16 + 64 * h);
    w[0] = low_nibbles(both);
    w[1] = high_nibbles(both);
  }
};

struct Q5_K : WithMins {
  static constexpr DType kType = DType::Q5_K;
  static constexpr int kBytes = sizeof(BlockQ5_K), kPairSums = 4;  // 4 * 2 * 31 * 127
  template <int c>
  static U8x64 weights(const uint8_t* unit) {
    return nibbles(unit + 48 + 32 * c) | bits_as_high<2 * c, 2 * c + 1>(unit + 16);
  }
  template <int h>
  static void halves(const uint8_t* unit, U8x64 (&w)[2]) {
    const U8x64 both = load_once(unit + 48 + 64 * h);
    w[0] = low_nibbles(both) | bits_as_high<4 * h, 4 * h + 2>(unit + 16);
    w[1] = high_nibbles(both) | bits_as_high<4 * h + 1, 4 * h + 3>(unit + 16);
  }
};

struct Q6_K {
  static constexpr DType kType = DType::Q6_K;
  static constexpr int kBlock = 256, kBytes = sizeof(BlockQ6_K), kGroup = 16, kZero = 32;
  static constexpr int kPairSums = 2;  // 2 * 2 * 63 * 127 = 32004
  static constexpr bool kSigned = false, kMins = false, kIntegerScales = true;
  static F32x16 scales(const uint8_t* unit) {
    return mul(bytes_to_f32(reinterpret_cast<const int8_t*>(unit + 192)),
               splat(half_to_float(load_u16(unit + 208))));
  }
  static I16x16 integers(const uint8_t* unit) {
    return bytes_to_i16(reinterpret_cast<const int8_t*>(unit + 192));
  }
  static float scale(const uint8_t* unit) { return half_to_float(load_u16(unit + 208)); }
  template <int h>
  static void halves(const uint8_t* unit, U8x64 (&w)[2]) {
    const U8x64 both = load_once(unit + 64 * h);
    w[0] = low_nibbles(both) | two_bits_as_high<0>(unit + 128 + 32 * h);
    w[1] = high_nibbles(both) | two_bits_as_high<4>(unit + 128 + 32 * h);
  }
  template <int c>
  static U8x64 weights(const uint8_t* unit) {
    U8x64 w[2];
    halves<c / 2>(unit, w);
    return w[c % 2];
  }
};

// Number formats without blocks: 16 weights as floats.
struct F32 {
  static constexpr DType kType = DType::F32;
  static constexpr int kBlock = 1, kBytes = 4;
  static F32x16 load16(const uint8_t* p) { return load(reinterpret_cast<const float*>(p)); }
  static void store16(void* p, F32x16 a) { store(static_cast<float*>(p), a); }
};
struct F16 {
  static constexpr DType kType = DType::F16;
  static constexpr int kBlock = 1, kBytes = 2;
  static F32x16 load16(const uint8_t* p) { return load_f16(p); }
  static void store16(void* p, F32x16 a) { store_f16(p, a); }
};
struct BF16 {
  static constexpr DType kType = DType::BF16;
  static constexpr int kBlock = 1, kBytes = 2;
  static F32x16 load16(const uint8_t* p) { return load_bf16(p); }
  static void store16(void* p, F32x16 a) { store_bf16(p, a); }
};

// f.operator()<0>(), ..., f.operator()<n - 1>()
template <int n, int i = 0, class Body>
__attribute__((always_inline)) inline void unrolled(Body&& body) {
  if constexpr (i < n) {
    body.template operator()<i>();
    unrolled<n, i + 1>(body);
  }
}

template <class Format>
constexpr int kUnitBytes = kUnit / Format::kBlock* Format::kBytes;

// The last unit of a row whose columns are no multiple of 256, filled up with zero bytes (whose
// scales are zero), so that nothing is read beyond the row.
template <class Format>
struct TailUnit {
  uint8_t bytes[kUnitBytes<Format>];
  TailUnit(const uint8_t* unit, int columns) {
    const int used = columns / Format::kBlock * Format::kBytes;
    __builtin_memset(bytes, 0, sizeof bytes);
    __builtin_memcpy(bytes, unit, static_cast<size_t>(used));
  }
};

}  // namespace
}  // namespace issun::kernels
