// The vocabulary on WebAssembly, with or without relaxed SIMD: a vector is four registers of 128
// bits, whose types are all one. Meanings: scalar.h.
// Relaxed SIMD rounds a product and its sum once where the machine has that, and multiplies bytes
// by bytes of 0..127 in one instruction.
#pragma once

#include <stdint.h>
#include <wasm_simd128.h>

#include "simd/four.h"

namespace issun::simd {
namespace {

struct F32x16 {
  v128_t v[4];
};
struct I32x16 {
  v128_t v[4];
};
struct I16x32 {
  v128_t v[4];
};
struct I8x64 {
  v128_t v[4];
};
struct U8x64 {
  v128_t v[4];
};

constexpr bool kWideDot = false;
constexpr bool kSignedDot = false;
constexpr bool kByteCaches = false;
// Of the 16 registers of x86-64, which is what most engines have below them. Panels of Q8_0 in
// words are 1.45 times as fast without relaxed SIMD and 0.8 times with it under Node 26, 2.2
// and 1.3 under Node 20.
#ifdef __wasm_relaxed_simd__
constexpr bool kSignedWords = false;
constexpr int kTileVectors = 1, kTileTokens = 3;
#else
constexpr bool kSignedWords = true;
constexpr int kTileVectors = 1, kTileTokens = 2;
#endif
constexpr int kFewTokens = 6, kFewTokensF32 = 6;
constexpr int kDotTokens = 2, kDotStreams = 4;
constexpr int kGemmRows = 3, kGemmVectors = 1;

// Floats
inline F32x16 splat(float x) { return SAME(wasm_f32x4_splat(x)); }
inline F32x16 zero_f32() { return splat(0.0f); }
inline F32x16 load(const float* p) {
  return {
      {wasm_v128_load(p), wasm_v128_load(p + 4), wasm_v128_load(p + 8), wasm_v128_load(p + 12)}};
}
inline void store(float* p, F32x16 a) {
  wasm_v128_store(p, a.v[0]);
  wasm_v128_store(p + 4, a.v[1]);
  wasm_v128_store(p + 8, a.v[2]);
  wasm_v128_store(p + 12, a.v[3]);
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
inline F32x16 add(F32x16 a, F32x16 b) { return FOUR2(wasm_f32x4_add, a, b); }
inline F32x16 sub(F32x16 a, F32x16 b) { return FOUR2(wasm_f32x4_sub, a, b); }
inline F32x16 mul(F32x16 a, F32x16 b) { return FOUR2(wasm_f32x4_mul, a, b); }
inline F32x16 div(F32x16 a, F32x16 b) { return FOUR2(wasm_f32x4_div, a, b); }
#ifdef __wasm_relaxed_simd__
inline v128_t fused(v128_t a, v128_t b, v128_t c) { return wasm_f32x4_relaxed_madd(a, b, c); }
inline v128_t negated_fused(v128_t a, v128_t b, v128_t c) {
  return wasm_f32x4_relaxed_nmadd(a, b, c);
}
#else
inline v128_t fused(v128_t a, v128_t b, v128_t c) {
  return wasm_f32x4_add(c, wasm_f32x4_mul(a, b));
}
inline v128_t negated_fused(v128_t a, v128_t b, v128_t c) {
  return wasm_f32x4_sub(c, wasm_f32x4_mul(a, b));
}
#endif
inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) { return FOUR3(fused, a, b, c); }
inline F32x16 fnma(F32x16 a, F32x16 b, F32x16 c) { return FOUR3(negated_fused, a, b, c); }
// The pseudo-maximum of b and a is that of x86 of a and b.
inline v128_t larger(v128_t a, v128_t b) { return wasm_f32x4_pmax(b, a); }
inline v128_t smaller(v128_t a, v128_t b) { return wasm_f32x4_pmin(b, a); }
inline F32x16 max(F32x16 a, F32x16 b) { return FOUR2(larger, a, b); }
inline F32x16 min(F32x16 a, F32x16 b) { return FOUR2(smaller, a, b); }
inline F32x16 abs(F32x16 a) { return FOUR1(wasm_f32x4_abs, a); }
inline F32x16 sqrt(F32x16 a) { return FOUR1(wasm_f32x4_sqrt, a); }
// All ones in the lanes below n of the four that start at lane `first`.
inline v128_t first_lanes(int n, int first) {
  return wasm_i32x4_lt(wasm_i32x4_const(0, 1, 2, 3), wasm_i32x4_splat(n - first));
}
inline F32x16 choose_range(int begin, int end, F32x16 inside, F32x16 outside) {
#define CHOOSE(i)                                \
  wasm_v128_bitselect(inside.v[i], outside.v[i], \
                      wasm_v128_andnot(first_lanes(end, 4 * i), first_lanes(begin, 4 * i)))
  return EACH(CHOOSE);
#undef CHOOSE
}
inline F32x16 zero_where_below(F32x16 x, F32x16 limit, F32x16 a) {
#define KEPT(i) wasm_v128_andnot(a.v[i], wasm_f32x4_lt(x.v[i], limit.v[i]))
  return EACH(KEPT);
#undef KEPT
}
inline float sum_four(v128_t four) {
  const v128_t two = wasm_f32x4_add(four, wasm_i32x4_shuffle(four, four, 2, 3, 2, 3));
  return wasm_f32x4_extract_lane(two, 0) + wasm_f32x4_extract_lane(two, 1);
}
inline float sum(F32x16 a) {
  return sum_four(wasm_f32x4_add(wasm_f32x4_add(a.v[0], a.v[2]), wasm_f32x4_add(a.v[1], a.v[3])));
}
inline float largest(F32x16 a) {
  const v128_t four = larger(larger(a.v[0], a.v[2]), larger(a.v[1], a.v[3]));
  const v128_t two = larger(four, wasm_i32x4_shuffle(four, four, 2, 3, 2, 3));
  const float x = wasm_f32x4_extract_lane(two, 0), y = wasm_f32x4_extract_lane(two, 1);
  return x > y ? x : y;
}
// One lane in all four.
template <int lane>
inline v128_t everywhere(v128_t a) {
  return wasm_i32x4_shuffle(a, a, lane, lane, lane, lane);
}
// Four lanes of spread(), which begin with lane `at`.
template <int run, int at>
inline v128_t spread_four(F32x16 a) {
  static_assert(run % 4 == 0 || (run == 2 && at % 2 == 0));
  constexpr int kLane = at % 4, kNext = run == 2 ? kLane + 1 : kLane;
  return wasm_i32x4_shuffle(a.v[at / 4], a.v[at / 4], kLane, kLane, kNext, kNext);
}
template <int run, int first = 0>
inline F32x16 spread(F32x16 a) {
  return {{spread_four<run, first>(a), spread_four<run, first + 4 / run>(a),
           spread_four<run, first + 8 / run>(a), spread_four<run, first + 12 / run>(a)}};
}
inline F32x16 load_first8(const float* p) {
  const v128_t zero = wasm_f32x4_splat(0);
  return {{wasm_v128_load(p), wasm_v128_load(p + 4), zero, zero}};
}
inline F32x16 halves(float lo, float hi) {
  const v128_t l = wasm_f32x4_splat(lo), h = wasm_f32x4_splat(hi);
  return {{l, l, h, h}};
}

// Integers
inline I32x16 splat(int32_t x) { return SAME(wasm_i32x4_splat(x)); }
inline I32x16 zero_i32() { return splat(0); }
inline I32x16 load(const int32_t* p) {
  return {
      {wasm_v128_load(p), wasm_v128_load(p + 4), wasm_v128_load(p + 8), wasm_v128_load(p + 12)}};
}
inline void store(int32_t* p, I32x16 a) {
  wasm_v128_store(p, a.v[0]);
  wasm_v128_store(p + 4, a.v[1]);
  wasm_v128_store(p + 8, a.v[2]);
  wasm_v128_store(p + 12, a.v[3]);
}
inline I32x16 add(I32x16 a, I32x16 b) { return FOUR2(wasm_i32x4_add, a, b); }
inline I32x16 sub(I32x16 a, I32x16 b) { return FOUR2(wasm_i32x4_sub, a, b); }
inline I32x16 shift_left(I32x16 a, int count) {
#define SHIFTED(i) wasm_i32x4_shl(a.v[i], static_cast<uint32_t>(count))
  return EACH(SHIFTED);
#undef SHIFTED
}
inline I32x16 shift_right(I32x16 a, int count) {
#define SHIFTED(i) wasm_i32x4_shr(a.v[i], static_cast<uint32_t>(count))
  return EACH(SHIFTED);
#undef SHIFTED
}
inline F32x16 to_f32(I32x16 a) { return FOUR1(wasm_f32x4_convert_i32x4, a); }
inline v128_t round_four(v128_t a) {
  const v128_t fits = wasm_f32x4_lt(wasm_f32x4_abs(a), wasm_f32x4_splat(0x1p31f));
  const v128_t whole = wasm_f32x4_nearest(a);
#ifdef __wasm_relaxed_simd__
  const v128_t integers = wasm_i32x4_relaxed_trunc_f32x4(whole);
#else
  const v128_t integers = wasm_i32x4_trunc_sat_f32x4(whole);
#endif
  return wasm_v128_bitselect(integers, wasm_i32x4_splat(INT32_MIN), fits);
}
inline I32x16 round_to_i32(F32x16 a) { return FOUR1(round_four, a); }
inline F32x16 as_f32(I32x16 a) { return __builtin_bit_cast(F32x16, a); }
inline int32_t sum_four_integers(v128_t four) {
  const v128_t two = wasm_i32x4_add(four, wasm_i32x4_shuffle(four, four, 2, 3, 2, 3));
  return wasm_i32x4_extract_lane(wasm_i32x4_add(two, everywhere<1>(two)), 0);
}
inline int32_t sum(I32x16 a) {
  return sum_four_integers(
      wasm_i32x4_add(wasm_i32x4_add(a.v[0], a.v[1]), wasm_i32x4_add(a.v[2], a.v[3])));
}
inline void store_bytes(int8_t* p, I32x16 a) {
  wasm_v128_store(p, wasm_i8x16_narrow_i16x8(wasm_i16x8_narrow_i32x4(a.v[0], a.v[1]),
                                             wasm_i16x8_narrow_i32x4(a.v[2], a.v[3])));
}
inline void store_bytes(int8_t* p, const I32x16 (&a)[4]) {
  for (int i = 0; i < 4; ++i) store_bytes(p + 16 * i, a[i]);
}
inline I32x16 widened(v128_t low, v128_t high) {
  return {{wasm_i32x4_extend_low_i16x8(low), wasm_i32x4_extend_high_i16x8(low),
           wasm_i32x4_extend_low_i16x8(high), wasm_i32x4_extend_high_i16x8(high)}};
}
inline F32x16 bytes_to_f32(const uint8_t* p) {
  return to_f32(widened(wasm_u16x8_load8x8(p), wasm_u16x8_load8x8(p + 8)));
}
inline F32x16 bytes_to_f32(const int8_t* p) {
  return to_f32(widened(wasm_i16x8_load8x8(p), wasm_i16x8_load8x8(p + 8)));
}

// Sixteen-bit floats
// Halves in the low parts of four words. Their exponents are 112 below those of floats, and that of
// infinity and NaN is the largest. Subnormal ones are made of integers: as floats they would be
// subnormal as well, for which x86-64 needs a hundred cycles. Which they are is asked of floats,
// since comparisons of integers would be made on 16 bits, unsigned, which x86-64 has not.
inline v128_t widen_halves(v128_t h) {
  const v128_t magnitude = wasm_v128_and(h, wasm_i32x4_splat(0x7fff));
  const v128_t sign = wasm_i32x4_shl(wasm_v128_xor(h, magnitude), 16);
  const v128_t up = wasm_i32x4_splat(112 << 23);
  const v128_t normal = wasm_i32x4_add(wasm_i32x4_shl(magnitude, 13), up);
  const v128_t infinite = wasm_v128_and(wasm_f32x4_ge(normal, wasm_f32x4_splat(0x1p16f)), up);
  const v128_t subnormal =
      wasm_f32x4_mul(wasm_f32x4_convert_i32x4(magnitude), wasm_f32x4_splat(0x1p-24f));
  const v128_t number = wasm_v128_bitselect(subnormal, wasm_i32x4_add(normal, infinite),
                                            wasm_f32x4_lt(normal, wasm_f32x4_splat(0x1p-14f)));
  return wasm_v128_or(number, sign);
}
inline float half_to_float(uint16_t h) {
  return wasm_f32x4_extract_lane(widen_halves(wasm_i32x4_splat(h)), 0);
}
inline F32x16 load_f16(const void* p) {
  const auto* h = static_cast<const uint16_t*>(p);
  return {{widen_halves(wasm_u32x4_load16x4(h)), widen_halves(wasm_u32x4_load16x4(h + 4)),
           widen_halves(wasm_u32x4_load16x4(h + 8)), widen_halves(wasm_u32x4_load16x4(h + 12))}};
}
inline F32x16 load_bf16(const void* p) {
  const auto* h = static_cast<const uint16_t*>(p);
#define WIDENED(i) wasm_i32x4_shl(wasm_u32x4_load16x4(h + 4 * (i)), 16)
  return EACH(WIDENED);
#undef WIDENED
}
template <int apart>
inline F32x16 halves_apart(const uint8_t* p) {
  v128_t h = wasm_v128_load16_lane(p, wasm_i32x4_splat(0), 0);
  h = wasm_v128_load16_lane(p + apart, h, 1);
  h = wasm_v128_load16_lane(p + 2 * apart, h, 2);
  h = wasm_v128_load16_lane(p + 3 * apart, h, 3);
  h = wasm_v128_load16_lane(p + 4 * apart, h, 4);
  h = wasm_v128_load16_lane(p + 5 * apart, h, 5);
  h = wasm_v128_load16_lane(p + 6 * apart, h, 6);
  h = wasm_v128_load16_lane(p + 7 * apart, h, 7);
  const v128_t zero = wasm_f32x4_splat(0);
  return {{widen_halves(wasm_u32x4_extend_low_u16x8(h)),
           widen_halves(wasm_u32x4_extend_high_u16x8(h)), zero, zero}};
}
// Each lane has its bits at another place of its byte: a multiplication brings them to the same.
inline F32x16 six_bits(uint32_t low, uint32_t high) {
  const v128_t fours = wasm_u16x8_extend_low_u8x16(wasm_i32x4_splat(static_cast<int32_t>(low))),
               twos = wasm_i32x4_splat(static_cast<int32_t>(high));
  const v128_t four_at = wasm_i16x8_const(0x0f, 0xf0, 0x0f, 0xf0, 0x0f, 0xf0, 0x0f, 0xf0),
               four_by = wasm_i16x8_const(16, 1, 16, 1, 16, 1, 16, 1),
               two_at = wasm_i16x8_const(3, 12, 48, 192, 3, 12, 48, 192),
               two_by = wasm_i16x8_const(64, 16, 4, 1, 64, 16, 4, 1);
  const v128_t l = wasm_u16x8_shr(
      wasm_i16x8_mul(
          wasm_v128_and(wasm_i16x8_shuffle(fours, fours, 0, 0, 1, 1, 2, 2, 3, 3), four_at),
          four_by),
      4);
  const v128_t bytes = wasm_u16x8_extend_low_u8x16(twos);
  const v128_t h = wasm_u16x8_shr(
      wasm_i16x8_mul(
          wasm_v128_and(wasm_i16x8_shuffle(bytes, bytes, 0, 0, 0, 0, 1, 1, 1, 1), two_at), two_by),
      2);
  const v128_t number = wasm_i16x8_sub(wasm_v128_or(l, h), wasm_i16x8_splat(32));
  const v128_t zero = wasm_f32x4_splat(0);
  return {{wasm_f32x4_convert_i32x4(wasm_i32x4_extend_low_i16x8(number)),
           wasm_f32x4_convert_i32x4(wasm_i32x4_extend_high_i16x8(number)), zero, zero}};
}
// As scalar.h has it, four lanes at once: the rounded halves in the low parts of words.
inline v128_t narrow_to_half(v128_t a) {
  const v128_t sign = wasm_v128_and(wasm_u32x4_shr(a, 16), wasm_i32x4_splat(0x8000));
  const v128_t magnitude = wasm_v128_and(a, wasm_i32x4_splat(0x7fffffff));
  const v128_t odd = wasm_v128_and(wasm_u32x4_shr(magnitude, 13), wasm_i32x4_splat(1));
  const v128_t normal = wasm_u32x4_shr(
      wasm_i32x4_add(wasm_i32x4_add(magnitude, odd), wasm_i32x4_splat(0xfff - 0x38000000)), 13);
  const v128_t subnormal = wasm_i32x4_sub(wasm_f32x4_add(magnitude, wasm_f32x4_splat(0.5f)),
                                          wasm_i32x4_splat(0x3f000000));
  const v128_t nan =
      wasm_v128_or(wasm_v128_and(wasm_u32x4_shr(magnitude, 13), wasm_i32x4_splat(0x1ff)),
                   wasm_i32x4_splat(0x7e00));
  v128_t half = wasm_v128_bitselect(subnormal, normal,
                                    wasm_i32x4_lt(magnitude, wasm_i32x4_splat(0x38800000)));
  half = wasm_v128_bitselect(wasm_i32x4_splat(0x7c00), half,
                             wasm_i32x4_gt(magnitude, wasm_i32x4_splat(0x477fefff)));
  half = wasm_v128_bitselect(nan, half, wasm_i32x4_gt(magnitude, wasm_i32x4_splat(0x7f800000)));
  return wasm_v128_or(half, sign);
}
inline v128_t narrow_to_brain(v128_t a) {
  const v128_t odd = wasm_v128_and(wasm_u32x4_shr(a, 16), wasm_i32x4_splat(1));
  const v128_t rounded = wasm_i32x4_add(wasm_i32x4_add(a, odd), wasm_i32x4_splat(0x7fff));
  const v128_t quiet = wasm_v128_or(a, wasm_i32x4_splat(0x400000));
  return wasm_u32x4_shr(wasm_v128_bitselect(rounded, quiet, wasm_f32x4_eq(a, a)), 16);
}
inline void store_words(void* p, I32x16 a) {
  auto* words = static_cast<uint16_t*>(p);
  wasm_v128_store(words, wasm_u16x8_narrow_i32x4(a.v[0], a.v[1]));
  wasm_v128_store(words + 8, wasm_u16x8_narrow_i32x4(a.v[2], a.v[3]));
}
inline void store_f16(void* p, F32x16 a) { store_words(p, FOUR1(narrow_to_half, a)); }
inline void store_bf16(void* p, F32x16 a) { store_words(p, FOUR1(narrow_to_brain, a)); }

inline void prefetch(const void*) {}  // WebAssembly has no such instruction
inline void prefetch_far(const void*) {}

}  // namespace
}  // namespace issun::simd

#include "simd/wasm_bytes.h"

#undef FOUR1
#undef FOUR2
#undef FOUR3
#undef SAME
#undef EACH
