// The vocabulary on AVX2, FMA and F16C, with or without AVX-VNNI: a vector is two registers.
// Meanings: scalar.h.
#pragma once

#include <immintrin.h>
#include <stdint.h>

namespace issun::simd {
namespace {

struct F32x16 {
  __m256 lo, hi;
};
struct I32x16 {
  __m256i lo, hi;
};
struct I16x32 {
  __m256i lo, hi;
};
struct I8x64 {
  __m256i lo, hi;
};
struct U8x64 {
  __m256i lo, hi;
};

#ifdef __AVXVNNI__
constexpr bool kWideDot = true;
#else
constexpr bool kWideDot = false;
#endif
constexpr bool kSignedDot = false;
constexpr bool kSignedWords = !kWideDot;
constexpr bool kByteCaches = kWideDot;
constexpr int kTileVectors = 1, kTileTokens = 3;
constexpr int kDotTokens = 4, kDotStreams = 4;
constexpr int kFewTokens = 2, kFewTokensF32 = 4;
constexpr int kGemmRows = 6, kGemmVectors = 1;

inline __m256i load32(const void* p, int i = 0) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p) + i);
}
inline void store32(void* p, int i, __m256i a) {
  _mm256_storeu_si256(static_cast<__m256i*>(p) + i, a);
}
inline __m128i load16(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
inline __m128i load8(const void* p) { return _mm_loadl_epi64(static_cast<const __m128i*>(p)); }

// Floats
inline F32x16 splat(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline F32x16 zero_f32() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
inline F32x16 load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline void store(float* p, F32x16 a) {
  _mm256_storeu_ps(p, a.lo);
  _mm256_storeu_ps(p + 8, a.hi);
}
// Lanes below n of the eight that start at lane `first`.
inline __m256i first_lanes(int n, int first) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n - first), _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0));
}
inline F32x16 load_first(const float* p, int n) {
  return {_mm256_maskload_ps(p, first_lanes(n, 0)), _mm256_maskload_ps(p + 8, first_lanes(n, 8))};
}
inline void store_first(float* p, F32x16 a, int n) {
  _mm256_maskstore_ps(p, first_lanes(n, 0), a.lo);
  _mm256_maskstore_ps(p + 8, first_lanes(n, 8), a.hi);
}
inline F32x16 add(F32x16 a, F32x16 b) {
  return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}
inline F32x16 sub(F32x16 a, F32x16 b) {
  return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
}
inline F32x16 mul(F32x16 a, F32x16 b) {
  return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}
inline F32x16 div(F32x16 a, F32x16 b) {
  return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)};
}
inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
inline F32x16 fnma(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm256_fnmadd_ps(a.lo, b.lo, c.lo), _mm256_fnmadd_ps(a.hi, b.hi, c.hi)};
}
inline F32x16 max(F32x16 a, F32x16 b) {
  return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)};
}
inline F32x16 min(F32x16 a, F32x16 b) {
  return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)};
}
inline F32x16 abs(F32x16 a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, a.lo), _mm256_andnot_ps(sign, a.hi)};
}
inline F32x16 sqrt(F32x16 a) { return {_mm256_sqrt_ps(a.lo), _mm256_sqrt_ps(a.hi)}; }
inline __m256 choose(__m256i begin, __m256i end, __m256 inside, __m256 outside) {
  return _mm256_blendv_ps(outside, inside, _mm256_castsi256_ps(_mm256_andnot_si256(begin, end)));
}
inline F32x16 choose_range(int begin, int end, F32x16 inside, F32x16 outside) {
  return {choose(first_lanes(begin, 0), first_lanes(end, 0), inside.lo, outside.lo),
          choose(first_lanes(begin, 8), first_lanes(end, 8), inside.hi, outside.hi)};
}
inline F32x16 zero_where_below(F32x16 x, F32x16 limit, F32x16 a) {
  return {_mm256_andnot_ps(_mm256_cmp_ps(x.lo, limit.lo, _CMP_LT_OQ), a.lo),
          _mm256_andnot_ps(_mm256_cmp_ps(x.hi, limit.hi, _CMP_LT_OQ), a.hi)};
}
inline float sum(F32x16 a) {
  const __m256 eight = _mm256_add_ps(a.lo, a.hi);
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
inline float largest(F32x16 a) {
  const __m256 eight = _mm256_max_ps(a.lo, a.hi);
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}
struct Index16 {
  int lane[16];
};
template <int run, int first>
constexpr Index16 spread_index() {
  Index16 r{};
  for (int i = 0; i < 16; ++i) r.lane[i] = first + i / run;
  return r;
}
template <int run, int first = 0>
inline F32x16 spread(F32x16 a) {
  alignas(32) static constexpr Index16 index = spread_index<run, first % 8>();
  const __m256 half = first < 8 ? a.lo : a.hi;
  return {_mm256_permutevar8x32_ps(half, load32(&index)),
          _mm256_permutevar8x32_ps(half, load32(&index, 1))};
}
inline F32x16 load_first8(const float* p) { return {_mm256_loadu_ps(p), _mm256_setzero_ps()}; }
inline F32x16 halves(float lo, float hi) { return {_mm256_set1_ps(lo), _mm256_set1_ps(hi)}; }

// Integers
inline I32x16 zero_i32() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
inline I32x16 splat(int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
inline I32x16 load(const int32_t* p) { return {load32(p), load32(p, 1)}; }
inline void store(int32_t* p, I32x16 a) {
  store32(p, 0, a.lo);
  store32(p, 1, a.hi);
}
inline I32x16 add(I32x16 a, I32x16 b) {
  return {_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)};
}
inline I32x16 sub(I32x16 a, I32x16 b) {
  return {_mm256_sub_epi32(a.lo, b.lo), _mm256_sub_epi32(a.hi, b.hi)};
}
inline I32x16 shift_left(I32x16 a, int count) {
  const __m256i n = _mm256_set1_epi32(count);
  return {_mm256_sllv_epi32(a.lo, n), _mm256_sllv_epi32(a.hi, n)};
}
inline I32x16 shift_right(I32x16 a, int count) {
  const __m256i n = _mm256_set1_epi32(count);
  return {_mm256_srav_epi32(a.lo, n), _mm256_srav_epi32(a.hi, n)};
}
inline F32x16 to_f32(I32x16 a) { return {_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)}; }
inline I32x16 round_to_i32(F32x16 a) {
  return {_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi)};
}
inline F32x16 as_f32(I32x16 a) { return {_mm256_castsi256_ps(a.lo), _mm256_castsi256_ps(a.hi)}; }
inline int32_t sum(I32x16 a) {
  const __m256i eight = _mm256_add_epi32(a.lo, a.hi);
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
}
inline void store_bytes(int8_t* p, I32x16 a) {
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a.lo, a.hi), 0xd8);
  const __m128i bytes =
      _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
}
inline void store_bytes(int8_t* p, const I32x16 (&a)[4]) {
  for (int i = 0; i < 4; ++i) store_bytes(p + 16 * i, a[i]);
}
inline F32x16 bytes_to_f32(const uint8_t* p) {
  return to_f32(I32x16{_mm256_cvtepu8_epi32(load8(p)), _mm256_cvtepu8_epi32(load8(p + 8))});
}
inline F32x16 bytes_to_f32(const int8_t* p) {
  return to_f32(I32x16{_mm256_cvtepi8_epi32(load8(p)), _mm256_cvtepi8_epi32(load8(p + 8))});
}
// Sixteen-bit floats
inline float half_to_float(uint16_t h) { return _cvtsh_ss(h); }
inline F32x16 load_f16(const void* p) {
  return {_mm256_cvtph_ps(load16(p)), _mm256_cvtph_ps(load16(static_cast<const char*>(p) + 16))};
}
inline __m256 widen_bf16(__m128i halves) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}
inline F32x16 load_bf16(const void* p) {
  return {widen_bf16(load16(p)), widen_bf16(load16(static_cast<const char*>(p) + 16))};
}
template <int apart>
inline F32x16 halves_apart(const uint8_t* p) {
  uint16_t half[8];
  for (int i = 0; i < 8; ++i) __builtin_memcpy(&half[i], p + i * apart, 2);
  return {_mm256_cvtph_ps(load16(half)), _mm256_setzero_ps()};
}
inline F32x16 six_bits(uint32_t low, uint32_t high) {
  const __m256i by = _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14);
  const __m256i l = _mm256_and_si256(
      _mm256_srlv_epi32(_mm256_set1_epi32(static_cast<int>(low)), _mm256_add_epi32(by, by)),
      _mm256_set1_epi32(15));
  const __m256i h = _mm256_and_si256(
      _mm256_srlv_epi32(_mm256_set1_epi32(static_cast<int>(high << 4)), by), _mm256_set1_epi32(48));
  return {_mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_or_si256(l, h), _mm256_set1_epi32(32))),
          _mm256_setzero_ps()};
}
inline void store_f16(void* p, F32x16 a) {
  auto* out = static_cast<__m128i*>(p);
  _mm_storeu_si128(out, _mm256_cvtps_ph(a.lo, _MM_FROUND_TO_NEAREST_INT));
  _mm_storeu_si128(out + 1, _mm256_cvtps_ph(a.hi, _MM_FROUND_TO_NEAREST_INT));
}
inline __m256i narrow_bf16(__m256 a) {
  const __m256i bits = _mm256_castps_si256(a);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
  const __m256 quiet = _mm256_castsi256_ps(_mm256_or_si256(bits, _mm256_set1_epi32(0x400000)));
  const __m256 nan = _mm256_cmp_ps(a, a, _CMP_UNORD_Q);
  const __m256 kept = _mm256_blendv_ps(_mm256_castsi256_ps(rounded), quiet, nan);
  return _mm256_srli_epi32(_mm256_castps_si256(kept), 16);
}
inline void store_bf16(void* p, F32x16 a) {
  const __m256i packed = _mm256_packus_epi32(narrow_bf16(a.lo), narrow_bf16(a.hi));
  store32(p, 0, _mm256_permute4x64_epi64(packed, 0xd8));
}

// Bytes
inline I8x64 load(const int8_t* p) { return {load32(p), load32(p, 1)}; }
inline U8x64 load(const uint8_t* p) { return {load32(p), load32(p, 1)}; }
inline void store(void* p, I8x64 a) {
  store32(p, 0, a.lo);
  store32(p, 1, a.hi);
}
inline void store(void* p, U8x64 a) { store(p, I8x64{a.lo, a.hi}); }
inline I8x64 join(const int8_t* p, const int8_t* q) { return {load32(p), load32(q)}; }
inline __m256i join16(const void* p, const void* q) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(load16(p)), load16(q), 1);
}
inline U8x64 join(const uint8_t* p, const uint8_t* q, const uint8_t* r, const uint8_t* s) {
  return {join16(p, q), join16(r, s)};
}
inline __m256i low_nibble(__m256i a) { return _mm256_and_si256(a, _mm256_set1_epi8(15)); }
inline __m256i high_nibble(__m256i a) { return low_nibble(_mm256_srli_epi16(a, 4)); }
inline U8x64 nibbles(const uint8_t* p) {
  const __m256i both = load32(p);
  return {low_nibble(both), high_nibble(both)};
}
inline __m256i nibbles16(const uint8_t* p) {
  // No instruction that moves lanes: a load for both, and shifts of their own.
  const __m256i both = _mm256_broadcastsi128_si256(load16(p));
  return low_nibble(_mm256_srlv_epi32(both, _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4)));
}
inline U8x64 nibbles16(const uint8_t* p, const uint8_t* q) { return {nibbles16(p), nibbles16(q)}; }
inline U8x64 low_nibbles(U8x64 a) { return {low_nibble(a.lo), low_nibble(a.hi)}; }
inline U8x64 high_nibbles(U8x64 a) { return {high_nibble(a.lo), high_nibble(a.hi)}; }
inline U8x64 load_once(const uint8_t* p) {
  U8x64 a = load(p);
  asm("" : "+x"(a.lo), "+x"(a.hi));
  return a;
}
// Bit `from` of each byte moved to bit `to`, with whatever comes along from beside it.
template <int from, int to>
inline __m256i moved(__m256i a) {
  if constexpr (from <= to)
    return _mm256_slli_epi16(a, to - from);
  else
    return _mm256_srli_epi16(a, from - to);
}
template <int bits, int from, int to>
inline U8x64 moved_bits(U8x64 a) {
  const __m256i mask = _mm256_set1_epi8(static_cast<char>(((1 << bits) - 1) << to));
  return {_mm256_and_si256(moved<from, to>(a.lo), mask),
          _mm256_and_si256(moved<from, to>(a.hi), mask)};
}
template <int to, int s>
inline U8x64 two_bits_at(const uint8_t* p) {
  const __m256i a = load32(p), mask = _mm256_set1_epi8(3 << to);
  return {_mm256_and_si256(moved<s, to>(a), mask), _mm256_and_si256(moved<s + 2, to>(a), mask)};
}
template <int to, int a, int b>
inline U8x64 bits_at(const uint8_t* p) {
  const __m256i bytes = load32(p), mask = _mm256_set1_epi8(1 << to);
  return {_mm256_and_si256(moved<a, to>(bytes), mask), _mm256_and_si256(moved<b, to>(bytes), mask)};
}
// All ones in the bytes whose bit is set.
inline __m256i ones_where(uint32_t bits) {
  const __m256i places =
      _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
  const __m256i own = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201));
  const __m256i all = _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int>(bits)), places);
  return _mm256_cmpeq_epi8(_mm256_and_si256(all, own), own);
}
inline U8x64 bytes_where(uint64_t bits, int byte) {
  const __m256i b = _mm256_set1_epi8(static_cast<char>(byte));
  return {_mm256_and_si256(ones_where(static_cast<uint32_t>(bits)), b),
          _mm256_and_si256(ones_where(static_cast<uint32_t>(bits >> 32)), b)};
}
inline U8x64 operator|(U8x64 a, U8x64 b) {
  return {_mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi)};
}
inline I8x64 as_signed(U8x64 a) { return {a.lo, a.hi}; }
inline U8x64 as_unsigned(I8x64 a) { return {a.lo, a.hi}; }
inline I32x16 as_words(U8x64 a) { return {a.lo, a.hi}; }
inline __m256i negate_where(uint32_t bits, __m256i a) {
  const __m256i ones = ones_where(bits);
  return _mm256_sub_epi8(_mm256_xor_si256(a, ones), ones);
}
inline I8x64 negate_where(uint64_t bits, I8x64 a) {
  return {negate_where(static_cast<uint32_t>(bits), a.lo),
          negate_where(static_cast<uint32_t>(bits >> 32), a.hi)};
}
inline I8x64 look_up(const int8_t (&table)[16], U8x64 places) {
  const __m256i t = _mm256_broadcastsi128_si256(load16(table));
  return {_mm256_shuffle_epi8(t, places.lo), _mm256_shuffle_epi8(t, places.hi)};
}
inline __m256i half_look_up4(const int8_t (*table)[4], const uint8_t* low, int ninth) {
  const __m256i bytes =
      _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(low)));
  const __m256i bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const __m256i above = _mm256_and_si256(_mm256_set1_epi32(ninth), bits);
  const __m256i none = _mm256_cmpeq_epi32(above, _mm256_setzero_si256());
  const __m256i high = _mm256_andnot_si256(none, _mm256_set1_epi32(256));
  return _mm256_i32gather_epi32(reinterpret_cast<const int*>(table), _mm256_or_si256(bytes, high),
                                4);
}
inline I8x64 look_up4(const int8_t (*table)[4], const uint8_t* low, uint16_t ninth) {
  return {half_look_up4(table, low, int{ninth}), half_look_up4(table, low + 8, ninth >> 8)};
}
template <int k>
inline U8x64 plus(U8x64 a) {
  const __m256i n = _mm256_set1_epi8(static_cast<char>(k));
  return {_mm256_add_epi8(a.lo, n), _mm256_add_epi8(a.hi, n)};
}
inline U8x64 splat_bytes(int byte) {
  const __m256i b = _mm256_set1_epi8(static_cast<char>(byte));
  return {b, b};
}
inline I8x64 splat4(const int8_t* p) {
  int word;
  __builtin_memcpy(&word, p, 4);
  const __m256i four = _mm256_set1_epi32(word);
  return {four, four};
}
inline void transpose8(__m256i (&m)[8]) {
  __m256i t[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_epi32(m[i], m[i + 1]);
    t[i + 1] = _mm256_unpackhi_epi32(m[i], m[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    m[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
    m[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
    m[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
    m[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm256_permute2x128_si256(m[i], m[i + 4], 0x20);
    t[i + 4] = _mm256_permute2x128_si256(m[i], m[i + 4], 0x31);
  }
  for (int i = 0; i < 8; ++i) m[i] = t[i];
}
// Four quarters of 8 x 8 words, the off-diagonal ones exchanged.
inline void transpose(U8x64 (&m)[16]) {
  for (int half = 0; half < 16; half += 8) {
    __m256i left[8], right[8];
    for (int i = 0; i < 8; ++i) {
      left[i] = m[half + i].lo;
      right[i] = m[half + i].hi;
    }
    transpose8(left);
    transpose8(right);
    for (int i = 0; i < 8; ++i) {
      m[half + i].lo = left[i];
      m[half + i].hi = right[i];
    }
  }
  for (int i = 0; i < 8; ++i) {
    const __m256i upper = m[i].hi;
    m[i].hi = m[8 + i].lo;
    m[8 + i].lo = upper;
  }
}
inline void columns4(const uint8_t* const (&rows)[16], int at, U8x64 (&m)[4]) {
  __m256i t[2][4];
  for (int half = 0; half < 2; ++half) {
    const uint8_t* const* first = rows + 8 * half;
    for (int i = 0; i < 4; ++i) t[half][i] = join16(first[i] + at, first[4 + i] + at);
    const __m256i a = _mm256_unpacklo_epi32(t[half][0], t[half][1]),
                  b = _mm256_unpackhi_epi32(t[half][0], t[half][1]),
                  c = _mm256_unpacklo_epi32(t[half][2], t[half][3]),
                  d = _mm256_unpackhi_epi32(t[half][2], t[half][3]);
    t[half][0] = _mm256_unpacklo_epi64(a, c);
    t[half][1] = _mm256_unpackhi_epi64(a, c);
    t[half][2] = _mm256_unpacklo_epi64(b, d);
    t[half][3] = _mm256_unpackhi_epi64(b, d);
  }
  for (int q = 0; q < 4; ++q) m[q] = {t[0][q], t[1][q]};
}
// Four rows of 32 bytes: their words of four, in order.
inline void interleave4(__m256i (&lane)[4]) {
  const __m256i a = _mm256_unpacklo_epi8(lane[0], lane[1]),
                b = _mm256_unpackhi_epi8(lane[0], lane[1]),
                c = _mm256_unpacklo_epi8(lane[2], lane[3]),
                d = _mm256_unpackhi_epi8(lane[2], lane[3]);
  const __m256i t0 = _mm256_unpacklo_epi16(a, c), t1 = _mm256_unpackhi_epi16(a, c),
                t2 = _mm256_unpacklo_epi16(b, d), t3 = _mm256_unpackhi_epi16(b, d);
  lane[0] = _mm256_permute2x128_si256(t0, t1, 0x20);
  lane[1] = _mm256_permute2x128_si256(t2, t3, 0x20);
  lane[2] = _mm256_permute2x128_si256(t0, t1, 0x31);
  lane[3] = _mm256_permute2x128_si256(t2, t3, 0x31);
}
inline void interleave4(U8x64 (&m)[4]) {
  __m256i lo[4] = {m[0].lo, m[1].lo, m[2].lo, m[3].lo},
          hi[4] = {m[0].hi, m[1].hi, m[2].hi, m[3].hi};
  interleave4(lo), interleave4(hi);
  m[0] = {lo[0], lo[1]}, m[1] = {lo[2], lo[3]}, m[2] = {hi[0], hi[1]}, m[3] = {hi[2], hi[3]};
}
inline void transpose(F32x16 (&m)[16]) {
  U8x64 t[16];
  for (int i = 0; i < 16; ++i) t[i] = {_mm256_castps_si256(m[i].lo), _mm256_castps_si256(m[i].hi)};
  transpose(t);
  for (int i = 0; i < 16; ++i) m[i] = {_mm256_castsi256_ps(t[i].lo), _mm256_castsi256_ps(t[i].hi)};
}

inline __m256i dot4(__m256i c, __m256i w, __m256i a) {
#ifdef __AVXVNNI__
  return _mm256_dpbusd_avx_epi32(c, w, a);
#else
  return _mm256_add_epi32(c, _mm256_madd_epi16(_mm256_maddubs_epi16(w, a), _mm256_set1_epi16(1)));
#endif
}
inline I32x16 dot4(I32x16 c, U8x64 w, I8x64 a) {
  return {dot4(c.lo, w.lo, a.lo), dot4(c.hi, w.hi, a.hi)};
}
inline I32x16 dot4(I32x16 c, I8x64 w, I8x64 a) {
  return {dot4(c.lo, _mm256_abs_epi8(w.lo), _mm256_sign_epi8(a.lo, w.lo)),
          dot4(c.hi, _mm256_abs_epi8(w.hi), _mm256_sign_epi8(a.hi, w.hi))};
}
template <int byte, bool is_signed>
inline __m256 byte_of_words(__m256i w) {
  if constexpr (is_signed) {
    const __m256i top = _mm256_slli_epi32(w, 24 - 8 * byte);
    return _mm256_cvtepi32_ps(_mm256_srai_epi32(top, 24));
  } else {
    const __m256i low = _mm256_srli_epi32(w, 8 * byte);
    return _mm256_cvtepi32_ps(_mm256_and_si256(low, _mm256_set1_epi32(255)));
  }
}
template <int byte, bool is_signed>
inline F32x16 byte_of_words(U8x64 w) {
  return {byte_of_words<byte, is_signed>(w.lo), byte_of_words<byte, is_signed>(w.hi)};
}
inline I16x32 load(const int16_t* p) { return {load32(p), load32(p, 1)}; }
inline I16x32 splat2(const int16_t* p) {
  int word;
  __builtin_memcpy(&word, p, 4);
  return {_mm256_set1_epi32(word), _mm256_set1_epi32(word)};
}
inline void store(int16_t* p, I16x32 a) {
  store32(p, 0, a.lo);
  store32(p, 1, a.hi);
}
template <int pair>
inline I16x32 pair_of_words(U8x64 a) {
  constexpr char k = 2 * pair;
  const __m256i places = _mm256_setr_epi8(k, -1, k + 1, -1, k + 4, -1, k + 5, -1, k + 8, -1, k + 9,
                                          -1, k + 12, -1, k + 13, -1, k, -1, k + 1, -1, k + 4, -1,
                                          k + 5, -1, k + 8, -1, k + 9, -1, k + 12, -1, k + 13, -1);
  return {_mm256_shuffle_epi8(a.lo, places), _mm256_shuffle_epi8(a.hi, places)};
}
// All ones above the bytes that are negative.
inline __m256i extend_sign(__m256i words) {
  return _mm256_srai_epi16(_mm256_slli_epi16(words, 8), 8);
}
template <int pair>
inline I16x32 pair_of_words(I8x64 a) {
  const I16x32 words = pair_of_words<pair>(U8x64{a.lo, a.hi});
  return {extend_sign(words.lo), extend_sign(words.hi)};
}
// Sums are computed where they stand: compilers may otherwise move additions behind so many
// products that registers run out.
inline I32x16 dot2(I32x16 c, I16x32 a, I16x32 b) {
  c.lo = _mm256_add_epi32(c.lo, _mm256_madd_epi16(a.lo, b.lo));
  c.hi = _mm256_add_epi32(c.hi, _mm256_madd_epi16(a.hi, b.hi));
  asm("" : "+x"(c.lo), "+x"(c.hi));
  return c;
}

inline I16x32 pair_products(U8x64 w, I8x64 a) {
  return {_mm256_maddubs_epi16(w.lo, a.lo), _mm256_maddubs_epi16(w.hi, a.hi)};
}

using PairSums = I16x32;  // computed where they stand, as in dot2
inline PairSums pair_sums(U8x64 w, I8x64 a) {
  PairSums s = pair_products(w, a);
  asm("" : "+x"(s.lo), "+x"(s.hi));
  return s;
}
inline void add_pairs(PairSums& s, U8x64 w, I8x64 a) {
  const I16x32 more = pair_products(w, a);
  s = {_mm256_add_epi16(s.lo, more.lo), _mm256_add_epi16(s.hi, more.hi)};
  asm("" : "+x"(s.lo), "+x"(s.hi));
}
inline I32x16 add_sums(I32x16 c, const PairSums& s) {
  const __m256i ones = _mm256_set1_epi16(1);
  return dot2(c, s, I16x32{ones, ones});
}

inline void prefetch(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0); }
inline void prefetch_far(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T1); }

// Half a line
struct I16x16 {
  __m256i v;
};
struct I32x8 {
  __m256i v;
};
struct F32x8 {
  __m256 v;
};
inline I16x16 load_half(const int16_t* p) { return {load32(p)}; }
inline I16x16 bytes_to_i16(const int8_t* p) { return {_mm256_cvtepi8_epi16(load16(p))}; }
inline I16x16 low_nibbles_to_i16(const uint8_t* p) {
  return {_mm256_and_si256(_mm256_cvtepu8_epi16(load16(p)), _mm256_set1_epi16(15))};
}
inline I16x16 high_nibbles_to_i16(const uint8_t* p) {
  return {_mm256_srli_epi16(_mm256_cvtepu8_epi16(load16(p)), 4)};
}
// Words of the 16 bytes: 0..3 and 8..11 of the packed 12 beside each other, then 4..7 and 8..11;
// the top two bits of 0..7 belong to the second half of each.
inline __m256i six_bit_words(__m256i twice) {
  const __m256i places =
      _mm256_setr_epi8(4, -1, 5, -1, 6, -1, 7, -1, 12, -1, 13, -1, 14, -1, 15, -1,  //
                       8, -1, 9, -1, 10, -1, 11, -1, 12, -1, 13, -1, 14, -1, 15, -1);
  return _mm256_shuffle_epi8(twice, places);
}
inline __m256i six_bit_tops(__m256i twice) {
  const __m256i places =
      _mm256_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, 4, -1, 5, -1, 6, -1, 7, -1,  //
                       -1, -1, -1, -1, -1, -1, -1, -1, 8, -1, 9, -1, 10, -1, 11, -1);
  return _mm256_and_si256(_mm256_srli_epi16(_mm256_shuffle_epi8(twice, places), 2),
                          _mm256_set1_epi16(0x30));
}
inline I16x16 unpack_six_bits(const uint8_t* p) {
  const __m256i twice =
      _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  const __m256i words = six_bit_words(twice);
  const __m256i shifted = _mm256_blend_epi32(words, _mm256_srli_epi16(words, 4), 0xc0);
  const __m256i masks = _mm256_setr_epi64x(0x003f003f003f003f, 0x000f000f000f000f,
                                           0x003f003f003f003f, 0x000f000f000f000f);
  return {_mm256_or_si256(_mm256_and_si256(shifted, masks), six_bit_tops(twice))};
}
inline void store_half(int16_t* p, I16x16 a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a.v);
}
inline I16x16 mul(I16x16 a, I16x16 b) { return {_mm256_mullo_epi16(a.v, b.v)}; }
inline I32x8 dot2(I16x16 a, I16x16 b) { return {_mm256_madd_epi16(a.v, b.v)}; }
// Bytes of 16-bit lanes that bring lane `first` to the lower and lane `second` to the upper eight.
template <int first, int second>
inline __m256i eights(__m256i a) {
  constexpr char f = 2 * (first % 8), g = 2 * (second % 8);
  return _mm256_shuffle_epi8(
      a, _mm256_set_epi8(g + 1, g, g + 1, g, g + 1, g, g + 1, g, g + 1, g, g + 1, g, g + 1, g,
                         g + 1, g, f + 1, f, f + 1, f, f + 1, f, f + 1, f, f + 1, f, f + 1, f,
                         f + 1, f, f + 1, f));
}
template <int g0, int g1, int g2, int g3>
inline I16x32 spread_eights(I16x16 a) {
  const __m256i both = _mm256_permute4x64_epi64(a.v, g0 < 8 ? 0x44 : 0xee);
  return {eights<g0, g1>(both), eights<g2, g3>(both)};
}
template <int g0, int g1, int g2, int g3>
inline I32x16 add_scaled(I32x16 c, U8x64 w, I8x64 a, I16x16 scale) {
  return dot2(c, pair_products(w, a), spread_eights<g0, g1, g2, g3>(scale));
}
template <int run, int first, int zero>
inline F32x16 add_scaled(F32x16 sums, U8x64 w, I8x64 a, F32x16 scale) {
  I32x16 d = zero_i32();
  if constexpr (zero != 0) d = sub(d, dot4(d, splat_bytes(zero), a));
  return fma(to_f32(dot4(d, w, a)), spread<run, first>(scale), sums);
}
template <int run, int first, int zero>
inline F32x16 add_scaled(F32x16 sums, I8x64 w, I8x64 a, F32x16 scale) {
  if constexpr (kWideDot)
    return add_scaled<run, first, 128>(sums, plus<-128>(as_unsigned(w)), a, scale);
  else
    return fma(to_f32(dot4(zero_i32(), w, a)), spread<run, first>(scale), sums);
}
template <int power>
inline I32x16 scaled_low(I32x8 a) {
  if constexpr (power < 0)
    return {_mm256_srai_epi32(a.v, -power), _mm256_setzero_si256()};
  else
    return {_mm256_slli_epi32(a.v, power), _mm256_setzero_si256()};
}
inline F32x16 to_f32(I16x16 a) {
  return to_f32(I32x16{_mm256_cvtepi16_epi32(_mm256_castsi256_si128(a.v)),
                       _mm256_cvtepi16_epi32(_mm256_extracti128_si256(a.v, 1))});
}
inline F32x8 zero_f32x8() { return {_mm256_setzero_ps()}; }
struct F32x4 {
  __m128 v;
};
inline F32x4 load_f32x4(const float* p) { return {_mm_loadu_ps(p)}; }
inline F32x4 two_halves(const uint8_t* p) {
  int both;
  __builtin_memcpy(&both, p, 4);
  return {_mm_cvtph_ps(_mm_cvtsi32_si128(both))};
}
inline F32x4 mul(F32x4 a, F32x4 b) { return {_mm_mul_ps(a.v, b.v)}; }
inline F32x16 splat_first(F32x4 a) {
  const __m256 eight = _mm256_broadcastss_ps(a.v);
  return {eight, eight};
}
inline F32x8 splat_second(F32x4 a) {
  return {_mm256_permutevar8x32_ps(_mm256_castps128_ps256(a.v), _mm256_set1_epi32(1))};
}
inline F32x16 add_scaled(F32x16 sums, I32x16 c, F32x16 factor) {
  return fma(to_f32(c), factor, sums);
}
inline F32x8 add_scaled(F32x8 sums, I32x8 c, F32x8 factor) {
  return {_mm256_fmadd_ps(_mm256_cvtepi32_ps(c.v), factor.v, sums.v)};
}
inline float sum(F32x8 a) { return sum(F32x16{a.v, _mm256_setzero_ps()}); }

}  // namespace
}  // namespace issun::simd
