// The vocabulary on AVX-512 (F, BW, DQ, VL, VNNI): a vector is one register. Meanings: scalar.h.
#pragma once

#include <immintrin.h>
#include <stdint.h>

namespace issun::simd {
namespace {

struct F32x16 {
  __m512 v;
};
struct I32x16 {
  __m512i v;
};
struct I16x32 {
  __m512i v;
};
struct I8x64 {
  __m512i v;
};
struct U8x64 {
  __m512i v;
};

constexpr bool kWideDot = true;
constexpr bool kSignedDot = false;
constexpr bool kSignedWords = false;
constexpr bool kByteCaches = true;
constexpr int kTileVectors = 2, kTileTokens = 6;
constexpr int kDotTokens = 4, kDotStreams = 4;
constexpr int kFewTokens = 2, kFewTokensF32 = 4;
constexpr int kGemmRows = 12, kGemmVectors = 2;

inline __mmask16 first_lanes(int n) { return static_cast<__mmask16>((1u << n) - 1); }

// Floats
inline F32x16 splat(float x) { return {_mm512_set1_ps(x)}; }
inline F32x16 zero_f32() { return {_mm512_setzero_ps()}; }
inline F32x16 load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline void store(float* p, F32x16 a) { _mm512_storeu_ps(p, a.v); }
inline F32x16 load_first(const float* p, int n) {
  return {_mm512_maskz_loadu_ps(first_lanes(n), p)};
}
inline void store_first(float* p, F32x16 a, int n) {
  _mm512_mask_storeu_ps(p, first_lanes(n), a.v);
}
inline F32x16 add(F32x16 a, F32x16 b) { return {_mm512_add_ps(a.v, b.v)}; }
inline F32x16 sub(F32x16 a, F32x16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline F32x16 mul(F32x16 a, F32x16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline F32x16 div(F32x16 a, F32x16 b) { return {_mm512_div_ps(a.v, b.v)}; }
inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline F32x16 fnma(F32x16 a, F32x16 b, F32x16 c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }
inline F32x16 max(F32x16 a, F32x16 b) { return {_mm512_max_ps(a.v, b.v)}; }
inline F32x16 min(F32x16 a, F32x16 b) { return {_mm512_min_ps(a.v, b.v)}; }
inline F32x16 abs(F32x16 a) { return {_mm512_abs_ps(a.v)}; }
inline F32x16 sqrt(F32x16 a) { return {_mm512_sqrt_ps(a.v)}; }
inline F32x16 choose_range(int begin, int end, F32x16 inside, F32x16 outside) {
  const auto mask = static_cast<__mmask16>(first_lanes(end) & ~first_lanes(begin));
  return {_mm512_mask_mov_ps(outside.v, mask, inside.v)};
}
inline F32x16 zero_where_below(F32x16 x, F32x16 limit, F32x16 a) {
  return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x.v, limit.v, _CMP_NLT_UQ), a.v)};
}
inline float sum(F32x16 a) { return _mm512_reduce_add_ps(a.v); }
inline float largest(F32x16 a) { return _mm512_reduce_max_ps(a.v); }
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
  alignas(64) static constexpr Index16 index = spread_index<run, first>();
  return {_mm512_permutexvar_ps(_mm512_load_si512(&index), a.v)};
}
inline F32x16 load_first8(const float* p) { return {_mm512_zextps256_ps512(_mm256_loadu_ps(p))}; }
inline F32x16 halves(float lo, float hi) {
  return {_mm512_mask_broadcastss_ps(_mm512_set1_ps(lo), 0xff00, _mm_set_ss(hi))};
}

// Integers
inline I32x16 zero_i32() { return {_mm512_setzero_si512()}; }
inline I32x16 splat(int32_t x) { return {_mm512_set1_epi32(x)}; }
inline I32x16 load(const int32_t* p) { return {_mm512_loadu_si512(p)}; }
inline void store(int32_t* p, I32x16 a) { _mm512_storeu_si512(p, a.v); }
inline I32x16 add(I32x16 a, I32x16 b) { return {_mm512_add_epi32(a.v, b.v)}; }
inline I32x16 sub(I32x16 a, I32x16 b) { return {_mm512_sub_epi32(a.v, b.v)}; }
inline I32x16 shift_left(I32x16 a, int count) {
  return {_mm512_sllv_epi32(a.v, _mm512_set1_epi32(count))};
}
inline I32x16 shift_right(I32x16 a, int count) {
  return {_mm512_srav_epi32(a.v, _mm512_set1_epi32(count))};
}
inline F32x16 to_f32(I32x16 a) { return {_mm512_cvtepi32_ps(a.v)}; }
inline I32x16 round_to_i32(F32x16 a) {
  return {_mm512_cvt_roundps_epi32(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
#define ISSUN_WORD_DOT
inline I32x16 as_i32(F32x16 a) { return {_mm512_castps_si512(a.v)}; }
inline F32x16 as_f32(I32x16 a) { return {_mm512_castsi512_ps(a.v)}; }
inline int32_t sum(I32x16 a) { return _mm512_reduce_add_epi32(a.v); }
inline void store_bytes(int8_t* p, I32x16 a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a.v));
}
inline void store_bytes(int8_t* p, const I32x16 (&a)[4]) {
  const __m512i all =
      _mm512_packs_epi16(_mm512_packs_epi32(a[0].v, a[1].v), _mm512_packs_epi32(a[2].v, a[3].v));
  const __m512i places = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  _mm512_storeu_si512(p, _mm512_permutexvar_epi32(places, all));
}
inline F32x16 bytes_to_f32(const uint8_t* p) {
  return {_mm512_cvtepi32_ps(
      _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
}
inline F32x16 bytes_to_f32(const int8_t* p) {
  return {_mm512_cvtepi32_ps(
      _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
}
// Sixteen-bit floats
inline float half_to_float(uint16_t h) { return _cvtsh_ss(h); }
inline F32x16 load_f16(const void* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p)))};
}
inline F32x16 load_bf16(const void* p) {
  const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(wide, 16))};
}
template <int apart>
inline F32x16 halves_apart(const uint8_t* p) {
  __m128i eight;
  if constexpr (3 * apart < 64 && 7 * apart + 2 >= 64) {
    // Four in each of two lines, the second of which ends with the last half.
    constexpr int kSecond = 7 * apart + 2 - 64;
    static_assert(4 * apart >= kSecond && apart % 2 == 0);
    alignas(64) static constexpr int16_t kPlaces[32] = {
        0,
        apart / 2,
        apart,
        3 * apart / 2,
        32 + (4 * apart - kSecond) / 2,
        32 + (5 * apart - kSecond) / 2,
        32 + (6 * apart - kSecond) / 2,
        32 + (7 * apart - kSecond) / 2,
    };
    eight = _mm512_castsi512_si128(_mm512_permutex2var_epi16(
        _mm512_loadu_si512(p), _mm512_load_si512(kPlaces), _mm512_loadu_si512(p + kSecond)));
  } else {
    uint16_t half[8];
    for (int i = 0; i < 8; ++i) __builtin_memcpy(&half[i], p + i * apart, 2);
    eight = _mm_loadu_si128(reinterpret_cast<const __m128i*>(half));
  }
  return {_mm512_zextps256_ps512(_mm256_cvtph_ps(eight))};
}
inline F32x16 six_bits(uint32_t low, uint32_t high) {
  const __m256i by = _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14);
  const __m256i l = _mm256_and_si256(
      _mm256_srlv_epi32(_mm256_set1_epi32(static_cast<int>(low)), _mm256_add_epi32(by, by)),
      _mm256_set1_epi32(15));
  const __m256i h = _mm256_and_si256(
      _mm256_srlv_epi32(_mm256_set1_epi32(static_cast<int>(high << 4)), by), _mm256_set1_epi32(48));
  const __m256i all = _mm256_sub_epi32(_mm256_or_si256(l, h), _mm256_set1_epi32(32));
  return {_mm512_zextps256_ps512(_mm256_cvtepi32_ps(all))};
}
inline void store_f16(void* p, F32x16 a) {
  _mm256_storeu_si256(static_cast<__m256i*>(p),
                      _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
inline void store_bf16(void* p, F32x16 a) {
  const __m512i bits = _mm512_castps_si512(a.v), one = _mm512_set1_epi32(1);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), one);
  const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
  const __mmask16 nan = _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q);
  const __m512i kept = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
  _mm256_storeu_si256(static_cast<__m256i*>(p), _mm512_cvtepi32_epi16(_mm512_srli_epi32(kept, 16)));
}

// Bytes
inline I8x64 load(const int8_t* p) { return {_mm512_loadu_si512(p)}; }
inline U8x64 load(const uint8_t* p) { return {_mm512_loadu_si512(p)}; }
inline void store(void* p, I8x64 a) { _mm512_storeu_si512(p, a.v); }
inline void store(void* p, U8x64 a) { _mm512_storeu_si512(p, a.v); }
inline __m256i load32(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline __m512i join(__m256i lo, __m256i hi) {
  return _mm512_inserti64x4(_mm512_castsi256_si512(lo), hi, 1);
}
inline I8x64 join(const int8_t* p, const int8_t* q) { return {join(load32(p), load32(q))}; }
inline __m512i join(const void* p, const void* q, const void* r, const void* s) {
  const auto load16 = [](const void* from) {
    return _mm_loadu_si128(static_cast<const __m128i*>(from));
  };
  // No instruction that moves lanes: each load goes to its own.
  __m512i a = _mm512_castsi128_si512(load16(p));
  a = _mm512_mask_broadcast_i32x4(a, 0x00f0, load16(q));
  a = _mm512_mask_broadcast_i32x4(a, 0x0f00, load16(r));
  return _mm512_mask_broadcast_i32x4(a, 0xf000, load16(s));
}
inline U8x64 join(const uint8_t* p, const uint8_t* q, const uint8_t* r, const uint8_t* s) {
  return {join(static_cast<const void*>(p), q, r, s)};
}
inline U8x64 nibbles(const uint8_t* p) {
  const __m256i both = load32(p);
  return {_mm512_and_si512(join(both, _mm256_srli_epi16(both, 4)), _mm512_set1_epi8(15))};
}
inline U8x64 nibbles16(const uint8_t* p, const uint8_t* q) {
  // No instruction that moves lanes: loads for two of them each, and shifts of their own. Q4_0, one
  // core: 17.7 -> 30 GB/s, with halves_apart.
  const __m512i low = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  const __m512i all = _mm512_mask_broadcast_i32x4(
      low, 0xff00, _mm_loadu_si128(reinterpret_cast<const __m128i*>(q)));
  const __m512i by = _mm512_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4, 0, 0, 0, 0, 4, 4, 4, 4);
  return {_mm512_and_si512(_mm512_srlv_epi32(all, by), _mm512_set1_epi8(15))};
}
inline U8x64 low_nibbles(U8x64 a) { return {_mm512_and_si512(a.v, _mm512_set1_epi8(15))}; }
inline U8x64 high_nibbles(U8x64 a) {
  return {_mm512_and_si512(_mm512_srli_epi16(a.v, 4), _mm512_set1_epi8(15))};
}
template <int bits, int from, int to>
inline U8x64 moved_bits(U8x64 a) {
  __m512i moved = a.v;
  if constexpr (from > to) moved = _mm512_srli_epi16(a.v, from - to);
  if constexpr (from < to) moved = _mm512_slli_epi16(a.v, to - from);
  return {_mm512_and_si512(moved, _mm512_set1_epi8(static_cast<char>(((1 << bits) - 1) << to)))};
}
inline U8x64 load_once(const uint8_t* p) {
  U8x64 a = load(p);
  asm("" : "+v"(a.v));
  return a;
}
// 32 bytes twice, shifted in 16-bit lanes: the first copy by `first`, the second by `second` bits,
// to the left where positive. Both have the same direction.
template <int first, int second>
inline __m512i shifted_copies(const uint8_t* p) {
  const __m512i twice = _mm512_broadcast_i64x4(load32(p));
  constexpr short a = first < 0 ? -first : first, b = second < 0 ? -second : second;
  const __m512i counts = join(_mm256_set1_epi16(a), _mm256_set1_epi16(b));
  return first < 0 || second < 0 ? _mm512_srlv_epi16(twice, counts)
                                 : _mm512_sllv_epi16(twice, counts);
}
template <int to, int s>
inline U8x64 two_bits_at(const uint8_t* p) {
  return {_mm512_and_si512(shifted_copies<to - s, to - s - 2>(p), _mm512_set1_epi8(3 << to))};
}
template <int to, int a, int b>
inline U8x64 bits_at(const uint8_t* p) {
  return {_mm512_and_si512(shifted_copies<to - a, to - b>(p), _mm512_set1_epi8(1 << to))};
}
inline U8x64 bytes_where(uint64_t bits, int byte) {
  return {_mm512_maskz_set1_epi8(bits, static_cast<char>(byte))};
}
inline U8x64 operator|(U8x64 a, U8x64 b) { return {_mm512_or_si512(a.v, b.v)}; }
inline I8x64 as_signed(U8x64 a) { return {a.v}; }
inline U8x64 as_unsigned(I8x64 a) { return {a.v}; }
inline I32x16 as_words(U8x64 a) { return {a.v}; }
inline I8x64 negate_where(uint64_t bits, I8x64 a) {
  return {_mm512_mask_sub_epi8(a.v, bits, _mm512_setzero_si512(), a.v)};
}
inline I8x64 look_up(const int8_t (&table)[16], U8x64 places) {
  const __m128i t = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
  return {_mm512_shuffle_epi8(_mm512_broadcast_i32x4(t), places.v)};
}
inline I8x64 look_up4(const int8_t (*table)[4], const uint8_t* low, uint16_t ninth) {
  const __m512i bytes =
      _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(low)));
  const __m512i places = _mm512_mask_or_epi32(bytes, ninth, bytes, _mm512_set1_epi32(256));
  return {_mm512_i32gather_epi32(places, table, 4)};
}
template <int k>
inline U8x64 plus(U8x64 a) {
  return {_mm512_add_epi8(a.v, _mm512_set1_epi8(static_cast<char>(k)))};
}
inline U8x64 splat_bytes(int byte) { return {_mm512_set1_epi8(static_cast<char>(byte))}; }
inline I8x64 splat4(const int8_t* p) {
  int word;
  __builtin_memcpy(&word, p, 4);
  return {_mm512_set1_epi32(word)};
}
inline void transpose(__m512i (&m)[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(m[i], m[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(m[i], m[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    m[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    m[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    m[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    m[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; ++i)
    for (int h = 0; h < 16; h += 8) {
      t[i + h] = _mm512_shuffle_i32x4(m[i + h], m[i + 4 + h], 0x88);
      t[i + 4 + h] = _mm512_shuffle_i32x4(m[i + h], m[i + 4 + h], 0xdd);
    }
  for (int i = 0; i < 8; ++i) {
    m[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    m[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
  }
}
inline void transpose(U8x64 (&m)[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; ++i) t[i] = m[i].v;
  transpose(t);
  for (int i = 0; i < 16; ++i) m[i].v = t[i];
}
inline F32x16 sums(const F32x16 (&m)[16]) {
  __m512 two[8], four[4], half[2];
  for (int i = 0; i < 8; ++i)
    two[i] = _mm512_add_ps(_mm512_unpacklo_ps(m[2 * i].v, m[2 * i + 1].v),
                           _mm512_unpackhi_ps(m[2 * i].v, m[2 * i + 1].v));
  for (int i = 0; i < 4; ++i)
    four[i] = _mm512_add_ps(_mm512_shuffle_ps(two[2 * i], two[2 * i + 1], 0x44),
                            _mm512_shuffle_ps(two[2 * i], two[2 * i + 1], 0xee));
  for (int i = 0; i < 2; ++i)
    half[i] = _mm512_add_ps(_mm512_shuffle_f32x4(four[2 * i], four[2 * i + 1], 0x88),
                            _mm512_shuffle_f32x4(four[2 * i], four[2 * i + 1], 0xdd));
  return {_mm512_add_ps(_mm512_shuffle_f32x4(half[0], half[1], 0x88),
                        _mm512_shuffle_f32x4(half[0], half[1], 0xdd))};
}
inline void columns4(const uint8_t* const (&rows)[16], int at, U8x64 (&m)[4]) {
  __m512i t[4];
  for (int i = 0; i < 4; ++i)
    t[i] = join(static_cast<const void*>(rows[i] + at), rows[4 + i] + at, rows[8 + i] + at,
                rows[12 + i] + at);
  const __m512i a = _mm512_unpacklo_epi32(t[0], t[1]), b = _mm512_unpackhi_epi32(t[0], t[1]),
                c = _mm512_unpacklo_epi32(t[2], t[3]), d = _mm512_unpackhi_epi32(t[2], t[3]);
  m[0].v = _mm512_unpacklo_epi64(a, c);
  m[1].v = _mm512_unpackhi_epi64(a, c);
  m[2].v = _mm512_unpacklo_epi64(b, d);
  m[3].v = _mm512_unpackhi_epi64(b, d);
}
inline void interleave4(U8x64 (&m)[4]) {
  const __m512i a = _mm512_unpacklo_epi8(m[0].v, m[1].v), b = _mm512_unpackhi_epi8(m[0].v, m[1].v),
                c = _mm512_unpacklo_epi8(m[2].v, m[3].v), d = _mm512_unpackhi_epi8(m[2].v, m[3].v);
  // Lane l of t[i]: words 4 i, ... of m[l].
  const __m512i t[4] = {_mm512_unpacklo_epi16(a, c), _mm512_unpackhi_epi16(a, c),
                        _mm512_unpacklo_epi16(b, d), _mm512_unpackhi_epi16(b, d)};
  const __m512i even0 = _mm512_shuffle_i32x4(t[0], t[1], 0x88),
                even1 = _mm512_shuffle_i32x4(t[2], t[3], 0x88),
                odd0 = _mm512_shuffle_i32x4(t[0], t[1], 0xdd),
                odd1 = _mm512_shuffle_i32x4(t[2], t[3], 0xdd);
  m[0].v = _mm512_shuffle_i32x4(even0, even1, 0x88);
  m[1].v = _mm512_shuffle_i32x4(odd0, odd1, 0x88);
  m[2].v = _mm512_shuffle_i32x4(even0, even1, 0xdd);
  m[3].v = _mm512_shuffle_i32x4(odd0, odd1, 0xdd);
}
inline void transpose(F32x16 (&m)[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; ++i) t[i] = _mm512_castps_si512(m[i].v);
  transpose(t);
  for (int i = 0; i < 16; ++i) m[i].v = _mm512_castsi512_ps(t[i]);
}

inline I32x16 dot4(I32x16 c, U8x64 w, I8x64 a) { return {_mm512_dpbusd_epi32(c.v, w.v, a.v)}; }
inline I32x16 dot4(I32x16 c, I8x64 w, I8x64 a) {
  const __mmask64 negative = _mm512_movepi8_mask(w.v);
  const __m512i signed_a = _mm512_mask_sub_epi8(a.v, negative, _mm512_setzero_si512(), a.v);
  return {_mm512_dpbusd_epi32(c.v, _mm512_abs_epi8(w.v), signed_a)};
}
template <int byte, bool is_signed>
inline F32x16 byte_of_words(U8x64 w) {
  if constexpr (is_signed)
    return {_mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(w.v, 24 - 8 * byte), 24))};
  if constexpr (byte == 3) return {_mm512_cvtepi32_ps(_mm512_srli_epi32(w.v, 24))};
  const __m512i low = byte == 0 ? w.v : _mm512_srli_epi32(w.v, 8 * byte);
  return {_mm512_cvtepi32_ps(_mm512_and_si512(low, _mm512_set1_epi32(255)))};
}
#ifdef __AVX512BF16__
#define ISSUN_PAIR_DOT
struct Bf16x32 {
  __m512i v;
};
struct Alternating {
  int16_t lane[32];
};
constexpr Alternating alternating_lanes() {
  Alternating r{};
  for (int i = 0; i < 32; ++i) r.lane[i] = static_cast<int16_t>(i / 2 + 16 * (i % 2));
  return r;
}
// Subnormal numbers become zeros.
inline Bf16x32 pairs(F32x16 even, F32x16 odd) {
  alignas(64) static constexpr Alternating index = alternating_lanes();
  const auto both = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(odd.v, even.v));
  return {_mm512_permutexvar_epi16(_mm512_load_si512(&index), both)};
}
inline Bf16x32 load_pairs(const void* p) { return {_mm512_loadu_si512(p)}; }
inline void store_pairs(void* p, Bf16x32 a) { _mm512_storeu_si512(p, a.v); }
inline Bf16x32 splat_pair(const void* p) {
  int word;
  __builtin_memcpy(&word, p, 4);
  return {_mm512_set1_epi32(word)};
}
inline F32x16 dot2(F32x16 c, Bf16x32 a, Bf16x32 b) {
  return {_mm512_dpbf16_ps(c.v, reinterpret_cast<__m512bh>(a.v), reinterpret_cast<__m512bh>(b.v))};
}
#endif

inline I16x32 load(const int16_t* p) { return {_mm512_loadu_si512(p)}; }
inline I16x32 splat2(const int16_t* p) {
  int word;
  __builtin_memcpy(&word, p, 4);
  return {_mm512_set1_epi32(word)};
}
inline void store(int16_t* p, I16x32 a) { _mm512_storeu_si512(p, a.v); }
template <int pair>
inline I16x32 pair_of_words(U8x64 a) {
  const __m512i places =
      _mm512_set1_epi32(pair == 0 ? static_cast<int>(0x80018000) : static_cast<int>(0x80038002));
  const __m512i words = _mm512_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c, 0, 0x04040404,
                                          0x08080808, 0x0c0c0c0c, 0, 0x04040404, 0x08080808,
                                          0x0c0c0c0c, 0, 0x04040404, 0x08080808, 0x0c0c0c0c);
  return {_mm512_shuffle_epi8(a.v, _mm512_or_si512(places, words))};
}
inline I16x32 alternate_words(I32x16 even, I32x16 odd) {
  return {_mm512_mask_blend_epi16(0xaaaaaaaa, even.v, _mm512_slli_epi32(odd.v, 16))};
}
inline I32x16 dot2(I32x16 c, I16x32 a, I16x32 b) { return {_mm512_dpwssd_epi32(c.v, a.v, b.v)}; }

inline I16x32 pair_products(U8x64 w, I8x64 a) { return {_mm512_maddubs_epi16(w.v, a.v)}; }

using PairSums = I16x32;
inline PairSums pair_sums(U8x64 w, I8x64 a) { return pair_products(w, a); }
inline void add_pairs(PairSums& s, U8x64 w, I8x64 a) {
  s.v = _mm512_add_epi16(s.v, pair_products(w, a).v);
}
inline I32x16 add_sums(I32x16 c, const PairSums& s) {
  return dot2(c, s, I16x32{_mm512_set1_epi16(1)});
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
inline I16x16 bytes_to_i16(const int8_t* p) {
  return {_mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
}
inline __m256i bytes_to_i16(const uint8_t* p) {
  return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline I16x16 low_nibbles_to_i16(const uint8_t* p) {
  return {_mm256_and_si256(bytes_to_i16(p), _mm256_set1_epi16(15))};
}
inline I16x16 high_nibbles_to_i16(const uint8_t* p) {
  return {_mm256_srli_epi16(bytes_to_i16(p), 4)};
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
  const __m256i shifted = _mm256_srlv_epi16(words, _mm256_setr_epi64x(0, 0, 0, 0x0004000400040004));
  const __m256i masks = _mm256_setr_epi64x(0x003f003f003f003f, 0x000f000f000f000f,
                                           0x003f003f003f003f, 0x000f000f000f000f);
  return {_mm256_or_si256(_mm256_and_si256(shifted, masks), six_bit_tops(twice))};
}
inline void store_half(int16_t* p, I16x16 a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a.v);
}
inline I16x16 mul(I16x16 a, I16x16 b) { return {_mm256_mullo_epi16(a.v, b.v)}; }
inline I32x8 dot2(I16x16 a, I16x16 b) { return {_mm256_madd_epi16(a.v, b.v)}; }
struct Index32 {
  short lane[32];
};
template <int g0, int g1, int g2, int g3>
constexpr Index32 eights_index() {
  constexpr int kFrom[4] = {g0, g1, g2, g3};
  Index32 r{};
  for (int i = 0; i < 32; ++i) r.lane[i] = static_cast<short>(kFrom[i / 8]);
  return r;
}
template <int g0, int g1, int g2, int g3>
inline I16x32 spread_eights(I16x16 a) {
  alignas(64) static constexpr Index32 index = eights_index<g0, g1, g2, g3>();
  return {_mm512_permutexvar_epi16(_mm512_load_si512(&index), _mm512_castsi256_si512(a.v))};
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
  return add_scaled<run, first, 128>(sums, plus<-128>(as_unsigned(w)), a, scale);
}
template <int power>
inline I32x16 scaled_low(I32x8 a) {
  if constexpr (power < 0)
    return {_mm512_zextsi256_si512(_mm256_srai_epi32(a.v, -power))};
  else
    return {_mm512_zextsi256_si512(_mm256_slli_epi32(a.v, power))};
}
inline F32x16 to_f32(I16x16 a) { return {_mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(a.v))}; }
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
inline F32x16 splat_first(F32x4 a) { return {_mm512_broadcastss_ps(a.v)}; }
inline F32x8 splat_second(F32x4 a) {
  return {_mm256_permutevar8x32_ps(_mm256_castps128_ps256(a.v), _mm256_set1_epi32(1))};
}
inline F32x16 add_scaled(F32x16 sums, I32x16 c, F32x16 factor) {
  return fma(to_f32(c), factor, sums);
}
inline F32x8 add_scaled(F32x8 sums, I32x8 c, F32x8 factor) {
  return {_mm256_fmadd_ps(_mm256_cvtepi32_ps(c.v), factor.v, sums.v)};
}
inline float sum(F32x8 a) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

}  // namespace
}  // namespace issun::simd
