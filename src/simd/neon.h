// The vocabulary on NEON, with or without the dot products of ARMv8.2 and the products of matrices
// of ARMv8.6 (I8MM): a vector is four registers.
// Meanings: scalar.h.
#pragma once

#include <arm_neon.h>
#include <stdint.h>

#include "simd/four.h"

namespace issun::simd {
namespace {

struct F32x16 {
  float32x4_t v[4];
};
struct I32x16 {
  int32x4_t v[4];
};
struct I16x32 {
  int16x8_t v[4];
};
struct I8x64 {
  int8x16_t v[4];
};
struct U8x64 {
  uint8x16_t v[4];
};

constexpr bool kWideDot = false;
#ifdef __ARM_FEATURE_DOTPROD
constexpr bool kSignedDot = true;
#ifdef __ARM_FEATURE_MATMUL_INT8
constexpr int kTileVectors = 1, kTileTokens = 4;  // 16 registers of sums, 8 of weights
#else
constexpr int kTileVectors = 1, kTileTokens = 3;  // 12 registers of sums twice, 4 of weights
#endif
#else
constexpr bool kSignedDot = false;
constexpr int kTileVectors = 1, kTileTokens = 2;  // 16 registers of pairs, 8 of sums, 4 of weights
#endif
constexpr bool kSignedWords = false;
constexpr bool kByteCaches = kSignedDot;
constexpr int kFewTokens = 6, kFewTokensF32 = 6;
constexpr int kDotTokens = 2, kDotStreams = 1;  // sums of two rows or more would leave registers
constexpr int kGemmRows = 6, kGemmVectors = 1;

// Floats
inline F32x16 splat(float x) { return SAME(vdupq_n_f32(x)); }
inline F32x16 zero_f32() { return splat(0.0f); }
inline F32x16 load(const float* p) {
  return {{vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)}};
}
inline void store(float* p, F32x16 a) {
  vst1q_f32(p, a.v[0]);
  vst1q_f32(p + 4, a.v[1]);
  vst1q_f32(p + 8, a.v[2]);
  vst1q_f32(p + 12, a.v[3]);
}
inline F32x16 load_first(const float* p, int n) {
  float some[16] = {};
  for (int i = 0; i < n; ++i) some[i] = p[i];
  return load(some);
}
inline void store_first(float* p, F32x16 a, int n) {
  float all[16];
  store(all, a);
  for (int i = 0; i < n; ++i) p[i] = all[i];
}
inline F32x16 add(F32x16 a, F32x16 b) { return FOUR2(vaddq_f32, a, b); }
inline F32x16 sub(F32x16 a, F32x16 b) { return FOUR2(vsubq_f32, a, b); }
inline F32x16 mul(F32x16 a, F32x16 b) { return FOUR2(vmulq_f32, a, b); }
inline F32x16 div(F32x16 a, F32x16 b) { return FOUR2(vdivq_f32, a, b); }
inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) { return FOUR3(vfmaq_f32, c, a, b); }
inline F32x16 fnma(F32x16 a, F32x16 b, F32x16 c) { return FOUR3(vfmsq_f32, c, a, b); }
// Not fmax and fmin, which have other answers for NaN and zeros.
inline float32x4_t larger(float32x4_t a, float32x4_t b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
inline float32x4_t smaller(float32x4_t a, float32x4_t b) {
  return vbslq_f32(vcltq_f32(a, b), a, b);
}
inline F32x16 max(F32x16 a, F32x16 b) { return FOUR2(larger, a, b); }
inline F32x16 min(F32x16 a, F32x16 b) { return FOUR2(smaller, a, b); }
inline F32x16 abs(F32x16 a) { return FOUR1(vabsq_f32, a); }
inline F32x16 sqrt(F32x16 a) { return FOUR1(vsqrtq_f32, a); }
// All ones in the lanes below n of the four that start at lane `first`.
inline uint32x4_t first_lanes(int n, int first) {
  static constexpr int32_t kLanes[4] = {0, 1, 2, 3};
  return vcltq_s32(vld1q_s32(kLanes), vdupq_n_s32(n - first));
}
inline F32x16 choose_range(int begin, int end, F32x16 inside, F32x16 outside) {
#define CHOOSE(i)                                                                       \
  vbslq_f32(vbicq_u32(first_lanes(end, 4 * i), first_lanes(begin, 4 * i)), inside.v[i], \
            outside.v[i])
  return EACH(CHOOSE);
#undef CHOOSE
}
inline float32x4_t kept_where_not(uint32x4_t below, float32x4_t a) {
  return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(a), below));
}
inline F32x16 zero_where_below(F32x16 x, F32x16 limit, F32x16 a) {
#define KEPT(i) kept_where_not(vcltq_f32(x.v[i], limit.v[i]), a.v[i])
  return EACH(KEPT);
#undef KEPT
}
inline float sum(float32x4_t four) {
  const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
  return vpadds_f32(two);
}
inline float sum(F32x16 a) {
  return sum(vaddq_f32(vaddq_f32(a.v[0], a.v[2]), vaddq_f32(a.v[1], a.v[3])));
}
inline float largest(F32x16 a) {
  const float32x4_t four = larger(larger(a.v[0], a.v[2]), larger(a.v[1], a.v[3]));
  const float32x2_t low = vget_low_f32(four), high = vget_high_f32(four);
  const float32x2_t two = vbsl_f32(vcgt_f32(low, high), low, high);
  const float x = vget_lane_f32(two, 0), y = vget_lane_f32(two, 1);
  return x > y ? x : y;
}
// Four lanes of spread(), which begin with lane `at`.
template <int run, int at>
inline float32x4_t spread_four(F32x16 a) {
  static_assert(run % 4 == 0 || (run == 2 && at % 2 == 0));
  const float32x4_t from = a.v[at / 4];
  if constexpr (run % 4 == 0) return vdupq_laneq_f32(from, at % 4);
  return at % 4 == 0 ? vzip1q_f32(from, from) : vzip2q_f32(from, from);
}
template <int run, int first = 0>
inline F32x16 spread(F32x16 a) {
  return {{spread_four<run, first>(a), spread_four<run, first + 4 / run>(a),
           spread_four<run, first + 8 / run>(a), spread_four<run, first + 12 / run>(a)}};
}
inline F32x16 load_first8(const float* p) {
  const float32x4_t zero = vdupq_n_f32(0);
  return {{vld1q_f32(p), vld1q_f32(p + 4), zero, zero}};
}
inline F32x16 halves(float lo, float hi) {
  const float32x4_t l = vdupq_n_f32(lo), h = vdupq_n_f32(hi);
  return {{l, l, h, h}};
}

// Integers
inline I32x16 splat(int32_t x) { return SAME(vdupq_n_s32(x)); }
inline I32x16 zero_i32() { return splat(0); }
inline I32x16 load(const int32_t* p) {
  return {{vld1q_s32(p), vld1q_s32(p + 4), vld1q_s32(p + 8), vld1q_s32(p + 12)}};
}
inline void store(int32_t* p, I32x16 a) {
  vst1q_s32(p, a.v[0]);
  vst1q_s32(p + 4, a.v[1]);
  vst1q_s32(p + 8, a.v[2]);
  vst1q_s32(p + 12, a.v[3]);
}
inline I32x16 add(I32x16 a, I32x16 b) { return FOUR2(vaddq_s32, a, b); }
inline I32x16 sub(I32x16 a, I32x16 b) { return FOUR2(vsubq_s32, a, b); }
inline I32x16 shift_left(I32x16 a, int count) {
  const I32x16 counts = splat(count);
  return FOUR2(vshlq_s32, a, counts);
}
inline I32x16 shift_right(I32x16 a, int count) { return shift_left(a, -count); }
inline F32x16 to_f32(I32x16 a) { return FOUR1(vcvtq_f32_s32, a); }
inline int32x4_t round_to_i32(float32x4_t a) {
  const uint32x4_t fits = vcaltq_f32(a, vdupq_n_f32(0x1p31f));
  return vbslq_s32(fits, vcvtnq_s32_f32(a), vdupq_n_s32(INT32_MIN));
}
inline I32x16 round_to_i32(F32x16 a) { return FOUR1(round_to_i32, a); }
inline F32x16 as_f32(I32x16 a) { return FOUR1(vreinterpretq_f32_s32, a); }
inline int32_t sum(I32x16 a) {
  return vaddvq_s32(vaddq_s32(vaddq_s32(a.v[0], a.v[1]), vaddq_s32(a.v[2], a.v[3])));
}
inline int16x8_t low_words(int32x4_t a, int32x4_t b) {
  return vcombine_s16(vmovn_s32(a), vmovn_s32(b));
}
inline void store_bytes(int8_t* p, I32x16 a) {
  const int16x8_t low = low_words(a.v[0], a.v[1]), high = low_words(a.v[2], a.v[3]);
  vst1q_s8(p, vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
}
inline void store_bytes(int8_t* p, const I32x16 (&a)[4]) {
  for (int i = 0; i < 4; ++i) store_bytes(p + 16 * i, a[i]);
}
inline I32x16 widened(int16x8_t low, int16x8_t high) {
  return {{vmovl_s16(vget_low_s16(low)), vmovl_high_s16(low), vmovl_s16(vget_low_s16(high)),
           vmovl_high_s16(high)}};
}
inline F32x16 bytes_to_f32(const uint8_t* p) {
  const uint8x16_t bytes = vld1q_u8(p);
  return to_f32(widened(vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(bytes))),
                        vreinterpretq_s16_u16(vmovl_high_u8(bytes))));
}
inline F32x16 bytes_to_f32(const int8_t* p) {
  const int8x16_t bytes = vld1q_s8(p);
  return to_f32(widened(vmovl_s8(vget_low_s8(bytes)), vmovl_high_s8(bytes)));
}

// Sixteen-bit floats
inline float half_to_float(uint16_t h) { return __builtin_bit_cast(__fp16, h); }
inline uint16x8_t load_words(const void* p, int i) {
  return vreinterpretq_u16_u8(vld1q_u8(static_cast<const uint8_t*>(p) + 16 * i));
}
inline float32x4_t low_halves(uint16x8_t h) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vget_low_u16(h)));
}
inline float32x4_t high_halves(uint16x8_t h) { return vcvt_high_f32_f16(vreinterpretq_f16_u16(h)); }
inline F32x16 load_f16(const void* p) {
  const uint16x8_t low = load_words(p, 0), high = load_words(p, 1);
  return {{low_halves(low), high_halves(low), low_halves(high), high_halves(high)}};
}
inline F32x16 load_bf16(const void* p) {
  const uint16x8_t low = load_words(p, 0), high = load_words(p, 1);
  const uint16x8_t zero = vdupq_n_u16(0);
  return {{vreinterpretq_f32_u16(vzip1q_u16(zero, low)),
           vreinterpretq_f32_u16(vzip2q_u16(zero, low)),
           vreinterpretq_f32_u16(vzip1q_u16(zero, high)),
           vreinterpretq_f32_u16(vzip2q_u16(zero, high))}};
}
template <int apart>
inline F32x16 halves_apart(const uint8_t* p) {
  uint16_t half[8];
  for (int i = 0; i < 8; ++i) __builtin_memcpy(&half[i], p + i * apart, 2);
  const uint16x8_t low = load_words(half, 0);
  const float32x4_t zero = vdupq_n_f32(0);
  return {{low_halves(low), high_halves(low), zero, zero}};
}
inline F32x16 six_bits(uint32_t low, uint32_t high) {
  const auto four = [&](int first) {
    const int32x4_t by = {0, -1, -2, -3};
    const int32x4_t from = vsubq_s32(by, vdupq_n_s32(first));
    const uint32x4_t l =
        vandq_u32(vshlq_u32(vdupq_n_u32(low), vmulq_n_s32(from, 4)), vdupq_n_u32(15));
    const uint32x4_t h =
        vandq_u32(vshlq_u32(vdupq_n_u32(high << 4), vmulq_n_s32(from, 2)), vdupq_n_u32(48));
    return vcvtq_f32_s32(vsubq_s32(vreinterpretq_s32_u32(vorrq_u32(l, h)), vdupq_n_s32(32)));
  };
  const float32x4_t zero = vdupq_n_f32(0);
  return {{four(0), four(4), zero, zero}};
}
inline uint8x16_t narrow_f16(float32x4_t a, float32x4_t b) {
  return vreinterpretq_u8_f16(vcvt_high_f16_f32(vcvt_f16_f32(a), b));
}
inline void store_f16(void* p, F32x16 a) {
  vst1q_u8(static_cast<uint8_t*>(p), narrow_f16(a.v[0], a.v[1]));
  vst1q_u8(static_cast<uint8_t*>(p) + 16, narrow_f16(a.v[2], a.v[3]));
}
// The upper halves are the rounded numbers.
inline uint16x8_t narrow_bf16(float32x4_t a) {
  const uint32x4_t bits = vreinterpretq_u32_f32(a);
  const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
  const uint32x4_t rounded = vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7fff)), odd);
  const uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
  return vreinterpretq_u16_u32(vbslq_u32(vceqq_f32(a, a), rounded, quiet));
}
inline uint8x16_t narrow_bf16(float32x4_t a, float32x4_t b) {
  return vreinterpretq_u8_u16(vuzp2q_u16(narrow_bf16(a), narrow_bf16(b)));
}
inline void store_bf16(void* p, F32x16 a) {
  vst1q_u8(static_cast<uint8_t*>(p), narrow_bf16(a.v[0], a.v[1]));
  vst1q_u8(static_cast<uint8_t*>(p) + 16, narrow_bf16(a.v[2], a.v[3]));
}

inline void prefetch(const void* p) { __builtin_prefetch(p); }
inline void prefetch_far(const void* p) { __builtin_prefetch(p, 0, 2); }

}  // namespace
}  // namespace issun::simd

#include "simd/neon_bytes.h"

#undef FOUR1
#undef FOUR2
#undef FOUR3
#undef SAME
#undef EACH
