// The part of the vocabulary on NEON that works on bytes and 16-bit integers, products above all.
// Included by neon.h alone. Meanings: scalar.h.
#pragma once

namespace issun::simd {
namespace {

// Bytes
inline I8x64 load(const int8_t* p) {
  return {{vld1q_s8(p), vld1q_s8(p + 16), vld1q_s8(p + 32), vld1q_s8(p + 48)}};
}
inline U8x64 load(const uint8_t* p) {
  return {{vld1q_u8(p), vld1q_u8(p + 16), vld1q_u8(p + 32), vld1q_u8(p + 48)}};
}
inline void store(void* p, U8x64 a) {
  auto* bytes = static_cast<uint8_t*>(p);
  vst1q_u8(bytes, a.v[0]);
  vst1q_u8(bytes + 16, a.v[1]);
  vst1q_u8(bytes + 32, a.v[2]);
  vst1q_u8(bytes + 48, a.v[3]);
}
inline I8x64 as_signed(U8x64 a) { return FOUR1(vreinterpretq_s8_u8, a); }
inline U8x64 as_unsigned(I8x64 a) { return FOUR1(vreinterpretq_u8_s8, a); }
inline I32x16 as_words(U8x64 a) { return FOUR1(vreinterpretq_s32_u8, a); }
inline void store(void* p, I8x64 a) { store(p, as_unsigned(a)); }
inline I8x64 join(const int8_t* p, const int8_t* q) {
  return {{vld1q_s8(p), vld1q_s8(p + 16), vld1q_s8(q), vld1q_s8(q + 16)}};
}
inline U8x64 join(const uint8_t* p, const uint8_t* q, const uint8_t* r, const uint8_t* s) {
  return {{vld1q_u8(p), vld1q_u8(q), vld1q_u8(r), vld1q_u8(s)}};
}
inline uint8x16_t low_nibble(uint8x16_t a) { return vandq_u8(a, vdupq_n_u8(15)); }
inline uint8x16_t high_nibble(uint8x16_t a) { return vshrq_n_u8(a, 4); }
inline U8x64 nibbles(const uint8_t* p) {
  const uint8x16_t first = vld1q_u8(p), second = vld1q_u8(p + 16);
  return {{low_nibble(first), low_nibble(second), high_nibble(first), high_nibble(second)}};
}
inline U8x64 nibbles16(const uint8_t* p, const uint8_t* q) {
  const uint8x16_t first = vld1q_u8(p), second = vld1q_u8(q);
  return {{low_nibble(first), high_nibble(first), low_nibble(second), high_nibble(second)}};
}
inline U8x64 low_nibbles(U8x64 a) { return FOUR1(low_nibble, a); }
inline U8x64 high_nibbles(U8x64 a) { return FOUR1(high_nibble, a); }
inline U8x64 load_once(const uint8_t* p) {
  U8x64 a = load(p);
  asm("" : "+w"(a.v[0]), "+w"(a.v[1]), "+w"(a.v[2]), "+w"(a.v[3]));
  return a;
}
// Bit `from` of each byte moved to bit `to`.
template <int from, int to>
inline uint8x16_t moved(uint8x16_t a) {
  if constexpr (from < to)
    return vshlq_n_u8(a, to - from);
  else if constexpr (from > to)
    return vshrq_n_u8(a, from - to);
  else
    return a;
}
template <int bits, int from, int to>
inline U8x64 moved_bits(U8x64 a) {
  const U8x64 places = FOUR1((moved<from, to>), a);
  const U8x64 masks = SAME(vdupq_n_u8(static_cast<uint8_t>(((1 << bits) - 1) << to)));
  return FOUR2(vandq_u8, places, masks);
}
template <int to, int a, int b>
inline U8x64 moved_and_masked(const uint8_t* p, int mask) {
  const uint8x16_t first = vld1q_u8(p), second = vld1q_u8(p + 16);
  const U8x64 places = {
      {moved<a, to>(first), moved<a, to>(second), moved<b, to>(first), moved<b, to>(second)}};
  const U8x64 masks = SAME(vdupq_n_u8(static_cast<uint8_t>(mask)));
  return FOUR2(vandq_u8, places, masks);
}
template <int to, int s>
inline U8x64 two_bits_at(const uint8_t* p) {
  return moved_and_masked<to, s, s + 2>(p, 3 << to);
}
template <int to, int a, int b>
inline U8x64 bits_at(const uint8_t* p) {
  return moved_and_masked<to, a, b>(p, 1 << to);
}
// All ones in the bytes whose bit is set.
inline U8x64 ones_where(uint64_t bits) {
  static constexpr uint8_t kPlaces[16] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1};
  static constexpr uint8_t kOwn[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  const uint8x16_t all = vreinterpretq_u8_u64(vdupq_n_u64(bits));
  const uint8x16_t places = vld1q_u8(kPlaces), own = vld1q_u8(kOwn);
#define ONES(i) vtstq_u8(vqtbl1q_u8(all, vaddq_u8(places, vdupq_n_u8(2 * i))), own)
  return EACH(ONES);
#undef ONES
}
inline U8x64 splat_bytes(int byte) { return SAME(vdupq_n_u8(static_cast<uint8_t>(byte))); }
inline U8x64 bytes_where(uint64_t bits, int byte) {
  return FOUR2(vandq_u8, ones_where(bits), splat_bytes(byte));
}
inline U8x64 operator|(U8x64 a, U8x64 b) { return FOUR2(vorrq_u8, a, b); }
inline int8x16_t negated(uint8x16_t ones, int8x16_t a) {
  const int8x16_t mask = vreinterpretq_s8_u8(ones);
  return vsubq_s8(veorq_s8(a, mask), mask);
}
inline I8x64 negate_where(uint64_t bits, I8x64 a) {
  const U8x64 ones = ones_where(bits);
  return FOUR2(negated, ones, a);
}
inline I8x64 look_up(const int8_t (&table)[16], U8x64 places) {
  const I8x64 tables = SAME(vld1q_s8(table));
  return FOUR2(vqtbl1q_s8, tables, places);
}
inline I8x64 look_up4(const int8_t (*table)[4], const uint8_t* low, uint16_t ninth) {
  int8_t entries[16][4];
  for (int i = 0; i < 16; ++i)
    __builtin_memcpy(entries[i], table[low[i] | (ninth >> i & 1) << 8], 4);
  return load(entries[0]);
}
template <int k>
inline U8x64 plus(U8x64 a) {
  return FOUR2(vaddq_u8, a, splat_bytes(k & 255));
}
inline I8x64 splat4(const int8_t* p) {
  int32_t word;
  __builtin_memcpy(&word, p, 4);
  return SAME(vreinterpretq_s8_s32(vdupq_n_s32(word)));
}
// Rows and columns of four words.
inline void transpose4(uint32x4_t& a, uint32x4_t& b, uint32x4_t& c, uint32x4_t& d) {
  const uint64x2_t ab_even = vreinterpretq_u64_u32(vtrn1q_u32(a, b)),
                   ab_odd = vreinterpretq_u64_u32(vtrn2q_u32(a, b)),
                   cd_even = vreinterpretq_u64_u32(vtrn1q_u32(c, d)),
                   cd_odd = vreinterpretq_u64_u32(vtrn2q_u32(c, d));
  a = vreinterpretq_u32_u64(vtrn1q_u64(ab_even, cd_even));
  b = vreinterpretq_u32_u64(vtrn1q_u64(ab_odd, cd_odd));
  c = vreinterpretq_u32_u64(vtrn2q_u64(ab_even, cd_even));
  d = vreinterpretq_u32_u64(vtrn2q_u64(ab_odd, cd_odd));
}
// Sixteen blocks of 4 x 4 words, those beside the diagonal exchanged.
inline void transpose(U8x64 (&m)[16]) {
  uint32x4_t w[16][4];
  for (int r = 0; r < 16; ++r)
    for (int i = 0; i < 4; ++i) w[r][i] = vreinterpretq_u32_u8(m[r].v[i]);
  for (int i = 0; i < 4; ++i)
    for (int r = 0; r < 16; r += 4) transpose4(w[r][i], w[r + 1][i], w[r + 2][i], w[r + 3][i]);
  for (int r = 0; r < 16; ++r)
    for (int i = 0; i < 4; ++i) m[r].v[i] = vreinterpretq_u8_u32(w[4 * i + r % 4][r / 4]);
}
inline void columns4(const uint8_t* const (&rows)[16], int at, U8x64 (&m)[4]) {
  for (int i = 0; i < 4; ++i) {
    uint32x4_t w[4];
    for (int r = 0; r < 4; ++r) w[r] = vreinterpretq_u32_u8(vld1q_u8(rows[4 * i + r] + at));
    transpose4(w[0], w[1], w[2], w[3]);
    for (int q = 0; q < 4; ++q) m[q].v[i] = vreinterpretq_u8_u32(w[q]);
  }
}
inline void interleave4(U8x64 (&m)[4]) {
  U8x64 to[4];
  for (int i = 0; i < 4; ++i) {
    const uint16x8_t a = vreinterpretq_u16_u8(vzip1q_u8(m[0].v[i], m[1].v[i])),
                     b = vreinterpretq_u16_u8(vzip2q_u8(m[0].v[i], m[1].v[i])),
                     c = vreinterpretq_u16_u8(vzip1q_u8(m[2].v[i], m[3].v[i])),
                     d = vreinterpretq_u16_u8(vzip2q_u8(m[2].v[i], m[3].v[i]));
    to[i] = {{vreinterpretq_u8_u16(vzip1q_u16(a, c)), vreinterpretq_u8_u16(vzip2q_u16(a, c)),
              vreinterpretq_u8_u16(vzip1q_u16(b, d)), vreinterpretq_u8_u16(vzip2q_u16(b, d))}};
  }
  for (int i = 0; i < 4; ++i) m[i] = to[i];
}
inline void transpose(F32x16 (&m)[16]) {
  U8x64 t[16];
  for (int r = 0; r < 16; ++r) t[r] = FOUR1(vreinterpretq_u8_f32, m[r]);
  transpose(t);
  for (int r = 0; r < 16; ++r) m[r] = FOUR1(vreinterpretq_f32_u8, t[r]);
}

template <int byte, bool is_signed>
inline float32x4_t byte_of_words(uint8x16_t w) {
  const uint32x4_t top = vshlq_n_u32(vreinterpretq_u32_u8(w), 24 - 8 * byte);
  if constexpr (is_signed)
    return vcvtq_f32_s32(vshrq_n_s32(vreinterpretq_s32_u32(top), 24));
  else
    return vcvtq_f32_u32(vshrq_n_u32(top, 24));
}
template <int byte, bool is_signed>
inline F32x16 byte_of_words(U8x64 w) {
  return FOUR1((byte_of_words<byte, is_signed>), w);
}

// Products
// Pairs of products of bytes: w of -128..127 and a of -127..127 fit into 16 bits.
inline int16x8_t pair_products(int8x16_t w, int8x16_t a) {
  return vpaddq_s16(vmull_s8(vget_low_s8(w), vget_low_s8(a)), vmull_high_s8(w, a));
}
inline int32x4_t dot4(int32x4_t c, int8x16_t w, int8x16_t a) {
#ifdef __ARM_FEATURE_DOTPROD
  return vdotq_s32(c, w, a);
#else
  return vpadalq_s16(c, pair_products(w, a));
#endif
}
inline I32x16 dot4(I32x16 c, I8x64 w, I8x64 a) { return FOUR3(dot4, c, w, a); }
inline I32x16 dot4(I32x16 c, U8x64 w, I8x64 a) { return dot4(c, as_signed(w), a); }
#ifdef __ARM_FEATURE_MATMUL_INT8
#define ISSUN_MATRIX_DOT
// Register i: rows 2 i and 2 i + 1 times the first and the second token, row by row.
struct I32x32 {
  int32x4_t v[8];
};
inline I32x32 zero_i32x32() {
  I32x32 r;
  for (int i = 0; i < 8; ++i) r.v[i] = vdupq_n_s32(0);
  return r;
}
// Of each four rows two go to the first line and two to the second.
inline void pair_words(uint8_t (*two)[64]) {
  for (int i = 0; i < 64; i += 16) {
    const uint32x4_t first = vreinterpretq_u32_u8(vld1q_u8(two[0] + i)),
                     second = vreinterpretq_u32_u8(vld1q_u8(two[1] + i));
    vst1q_u8(two[0] + i, vreinterpretq_u8_u32(vzip1q_u32(first, second)));
    vst1q_u8(two[1] + i, vreinterpretq_u8_u32(vzip2q_u32(first, second)));
  }
}
inline I32x32 dot8(I32x32 c, const uint8_t (*two)[64], const int8_t* first, const int8_t* second) {
  const int8x16_t tokens = vcombine_s8(vld1_s8(first), vld1_s8(second));
  for (int i = 0; i < 8; ++i) {
    const int8x16_t rows = vreinterpretq_s8_u8(vld1q_u8(two[i % 2] + i / 2 * 16));
    c.v[i] = vmmlaq_s32(c.v[i], rows, tokens);
  }
  return c;
}
inline void part(const I32x32& c, I32x16& first, I32x16& second) {
  for (int i = 0; i < 4; ++i) {
    first.v[i] = vuzp1q_s32(c.v[2 * i], c.v[2 * i + 1]);
    second.v[i] = vuzp2q_s32(c.v[2 * i], c.v[2 * i + 1]);
  }
}
#endif

inline I16x32 load(const int16_t* p) {
  return {{vld1q_s16(p), vld1q_s16(p + 8), vld1q_s16(p + 16), vld1q_s16(p + 24)}};
}
inline void store(int16_t* p, I16x32 a) {
  for (int i = 0; i < 4; ++i) vst1q_s16(p + 8 * i, a.v[i]);
}
template <int pair>
inline I16x32 pair_of_words(U8x64 a) {
  constexpr uint8_t k = 2 * pair, none = 255;
  static constexpr uint8_t kPlaces[16] = {k,     none, k + 1, none, k + 4,  none, k + 5,  none,
                                          k + 8, none, k + 9, none, k + 12, none, k + 13, none};
  const uint8x16_t places = vld1q_u8(kPlaces);
#define PAIRS(i) vreinterpretq_s16_u8(vqtbl1q_u8(a.v[i], places))
  return EACH(PAIRS);
#undef PAIRS
}
inline I16x32 splat2(const int16_t* p) {
  int32_t word;
  __builtin_memcpy(&word, p, 4);
  return SAME(vreinterpretq_s16_s32(vdupq_n_s32(word)));
}
inline int32x4_t dot2(int16x8_t a, int16x8_t b) {
  return vpaddq_s32(vmull_s16(vget_low_s16(a), vget_low_s16(b)), vmull_high_s16(a, b));
}
inline int32x4_t dot2(int32x4_t c, int16x8_t a, int16x8_t b) { return vaddq_s32(c, dot2(a, b)); }
inline I32x16 dot2(I32x16 c, I16x32 a, I16x32 b) { return FOUR3(dot2, c, a, b); }

// Products of the lower and of the upper eight bytes of each register, which become pairs when they
// are added to the rest.
struct PairSums {
  int16x8_t low[4], high[4];
};
inline PairSums pair_sums(U8x64 w, I8x64 a) {
  PairSums s;
  for (int i = 0; i < 4; ++i) {
    const int8x16_t weights = vreinterpretq_s8_u8(w.v[i]);
    s.low[i] = vmull_s8(vget_low_s8(weights), vget_low_s8(a.v[i]));
    s.high[i] = vmull_high_s8(weights, a.v[i]);
  }
  return s;
}
inline void add_pairs(PairSums& s, U8x64 w, I8x64 a) {
  for (int i = 0; i < 4; ++i) {
    const int8x16_t weights = vreinterpretq_s8_u8(w.v[i]);
    s.low[i] = vmlal_s8(s.low[i], vget_low_s8(weights), vget_low_s8(a.v[i]));
    s.high[i] = vmlal_high_s8(s.high[i], weights, a.v[i]);
  }
}
inline I32x16 add_sums(I32x16 c, const PairSums& s) {
#define ADDED(i) vpadalq_s16(c.v[i], vpaddq_s16(s.low[i], s.high[i]))
  return EACH(ADDED);
#undef ADDED
}

// Half a line
struct I16x16 {
  int16x8_t v[2];
};
struct I32x8 {
  int32x4_t v[2];
};
struct F32x8 {
  float32x4_t v[2];
};
inline I16x16 load_half(const int16_t* p) { return {{vld1q_s16(p), vld1q_s16(p + 8)}}; }
inline I16x16 bytes_to_i16(const int8_t* p) {
  const int8x16_t bytes = vld1q_s8(p);
  return {{vmovl_s8(vget_low_s8(bytes)), vmovl_high_s8(bytes)}};
}
inline I16x16 bytes_to_i16(uint8x16_t bytes) {
  return {{vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(bytes))),
           vreinterpretq_s16_u16(vmovl_high_u8(bytes))}};
}
inline I16x16 low_nibbles_to_i16(const uint8_t* p) { return bytes_to_i16(low_nibble(vld1q_u8(p))); }
inline I16x16 high_nibbles_to_i16(const uint8_t* p) {
  return bytes_to_i16(high_nibble(vld1q_u8(p)));
}
// Places of 255 give zero.
inline I16x16 unpack_six_bits(const uint8_t* p) {
  static constexpr uint8_t kBytes[16] = {4, 5, 6, 7, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15};
  static constexpr int8_t kShifts[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -4, -4, -4, -4};
  static constexpr uint8_t kMasks[16] = {63, 63, 63, 63, 15, 15, 15, 15,
                                         63, 63, 63, 63, 15, 15, 15, 15};
  static constexpr uint8_t kTops[16] = {255, 255, 255, 255, 4, 5, 6,  7,
                                        255, 255, 255, 255, 8, 9, 10, 11};
  const uint8x16_t packed = vld1q_u8(p);
  const uint8x16_t low =
      vandq_u8(vshlq_u8(vqtbl1q_u8(packed, vld1q_u8(kBytes)), vld1q_s8(kShifts)), vld1q_u8(kMasks));
  const uint8x16_t tops =
      vandq_u8(vshrq_n_u8(vqtbl1q_u8(packed, vld1q_u8(kTops)), 2), vdupq_n_u8(0x30));
  return bytes_to_i16(vorrq_u8(low, tops));
}
inline void store_half(int16_t* p, I16x16 a) {
  vst1q_s16(p, a.v[0]);
  vst1q_s16(p + 8, a.v[1]);
}
inline I16x16 mul(I16x16 a, I16x16 b) {
  return {{vmulq_s16(a.v[0], b.v[0]), vmulq_s16(a.v[1], b.v[1])}};
}
inline I32x8 dot2(I16x16 a, I16x16 b) { return {{dot2(a.v[0], b.v[0]), dot2(a.v[1], b.v[1])}}; }
template <int power>
inline I32x16 scaled_low(I32x8 a) {
  const int32x4_t count = vdupq_n_s32(power), zero = vdupq_n_s32(0);
  return {{vshlq_s32(a.v[0], count), vshlq_s32(a.v[1], count), zero, zero}};
}
inline F32x16 to_f32(I16x16 a) { return to_f32(widened(a.v[0], a.v[1])); }
inline F32x8 zero_f32x8() { return {{vdupq_n_f32(0), vdupq_n_f32(0)}}; }
struct F32x4 {
  float32x4_t v;
};
inline F32x4 load_f32x4(const float* p) { return {vld1q_f32(p)}; }
inline F32x4 two_halves(const uint8_t* p) {
  uint32_t both;
  __builtin_memcpy(&both, p, 4);
  return {vcvt_f32_f16(vreinterpret_f16_u32(vdup_n_u32(both)))};
}
inline F32x4 mul(F32x4 a, F32x4 b) { return {vmulq_f32(a.v, b.v)}; }
inline F32x16 splat_first(F32x4 a) { return SAME(vdupq_laneq_f32(a.v, 0)); }
inline F32x8 splat_second(F32x4 a) {
  const float32x4_t second = vdupq_laneq_f32(a.v, 1);
  return {{second, second}};
}
inline float sum(F32x8 a) { return sum(vaddq_f32(a.v[0], a.v[1])); }

// Sums of scaled products. Lanes are free, so that few registers hold the sums: registers are what
// there is too little of.
#ifdef __ARM_FEATURE_DOTPROD
// c + products that may meet in any lane.
inline int32x4_t add_products(int32x4_t c, int8x16_t w, int8x16_t a) { return dot4(c, w, a); }
// The scales as they multiply, and products of one register and of two: four fit into 16 bits.
using WideScales = I32x16;
inline WideScales wide_scales(I16x16 scale) { return widened(scale.v[0], scale.v[1]); }
inline int32x4_t products(int8x16_t w, int8x16_t a) { return dot4(vdupq_n_s32(0), w, a); }
inline int32x4_t products(int8x16_t w0, int8x16_t a0, int8x16_t w1, int8x16_t a1) {
  return dot4(products(w0, a0), w1, a1);
}
template <int g>
inline int32x4_t add_times(int32x4_t c, int32x4_t products, const WideScales& scale) {
  return vmlaq_laneq_s32(c, products, scale.v[g / 4], g % 4);
}
#else
using WideScales = I16x16;
inline WideScales wide_scales(I16x16 scale) { return scale; }
inline int16x8_t products(int8x16_t w, int8x16_t a) {
  return vmlal_high_s8(vmull_s8(vget_low_s8(w), vget_low_s8(a)), w, a);
}
inline int16x8_t products(int8x16_t w0, int8x16_t a0, int8x16_t w1, int8x16_t a1) {
  const int16x8_t three = vmlal_s8(products(w0, a0), vget_low_s8(w1), vget_low_s8(a1));
  return vmlal_high_s8(three, w1, a1);
}
inline int32x4_t add_products(int32x4_t c, int8x16_t w, int8x16_t a) {
  return vpadalq_s16(c, products(w, a));
}
template <int g>
inline int32x4_t add_times(int32x4_t c, int16x8_t products, const WideScales& scale) {
  const int16x8_t scales = scale.v[g / 8];
  return vmlal_high_laneq_s16(vmlal_laneq_s16(c, vget_low_s16(products), scales, g % 8), products,
                              scales, g % 8);
}
#endif
template <int g0, int g1, int g2, int g3>
inline I32x16 add_scaled(I32x16 c, U8x64 weights, I8x64 a, I16x16 scales) {
  const I8x64 w = as_signed(weights);
  const WideScales scale = wide_scales(scales);
  if constexpr (g0 == g1 && g2 == g3) {
    c.v[0] = add_times<g0>(c.v[0], products(w.v[0], a.v[0], w.v[1], a.v[1]), scale);
    c.v[1] = add_times<g2>(c.v[1], products(w.v[2], a.v[2], w.v[3], a.v[3]), scale);
  } else {
    c.v[0] = add_times<g0>(c.v[0], products(w.v[0], a.v[0]), scale);
    c.v[1] = add_times<g1>(c.v[1], products(w.v[1], a.v[1]), scale);
    c.v[0] = add_times<g2>(c.v[0], products(w.v[2], a.v[2]), scale);
    c.v[1] = add_times<g3>(c.v[1], products(w.v[3], a.v[3]), scale);
  }
  return c;
}
// Unsigned: sums of both registers fit, but not always those of one.
inline int32x4_t both(int32x4_t a, int32x4_t b) {
  return vreinterpretq_s32_u32(vaddq_u32(vreinterpretq_u32_s32(a), vreinterpretq_u32_s32(b)));
}
inline F32x16 add_scaled(F32x16 sums, I32x16 c, F32x16 factor) {
  const int32x4_t all = both(both(c.v[0], c.v[1]), both(c.v[2], c.v[3]));
  sums.v[0] = vfmaq_f32(sums.v[0], vcvtq_f32_s32(all), factor.v[0]);
  return sums;
}
inline F32x8 add_scaled(F32x8 sums, I32x8 c, F32x8 factor) {
  sums.v[0] = vfmaq_f32(sums.v[0], vcvtq_f32_s32(both(c.v[0], c.v[1])), factor.v[0]);
  return sums;
}
// Two registers of a group of 32 share their sums, and so do further lines: two registers of the
// sums are used.
template <int run, int first, int zero>
inline F32x16 add_scaled(F32x16 sums, I8x64 w, I8x64 a, F32x16 scale) {
  static_assert(zero == 0 && (run == 4 || run == 8));
  constexpr int kGroups = 16 / run, kRegisters = 4 / kGroups;
  int32x4_t d[kGroups];
  for (int g = 0; g < kGroups; ++g) {
    d[g] = vdupq_n_s32(0);
    for (int i = kRegisters * g; i < kRegisters * (g + 1); ++i)
      d[g] = add_products(d[g], w.v[i], a.v[i]);
  }
  sums.v[0] = vfmaq_laneq_f32(sums.v[0], vcvtq_f32_s32(d[0]), scale.v[first / 4], first % 4);
  sums.v[1] = vfmaq_laneq_f32(sums.v[1], vcvtq_f32_s32(d[1]), scale.v[first / 4], first % 4 + 1);
  if constexpr (kGroups == 4) {
    sums.v[2] = vfmaq_laneq_f32(sums.v[2], vcvtq_f32_s32(d[2]), scale.v[first / 4], 2);
    sums.v[3] = vfmaq_laneq_f32(sums.v[3], vcvtq_f32_s32(d[3]), scale.v[first / 4], 3);
  }
  return sums;
}
template <int run, int first, int zero>
inline F32x16 add_scaled(F32x16 sums, U8x64 w, I8x64 a, F32x16 scale) {
  if constexpr (zero == 0) return add_scaled<run, first, 0>(sums, as_signed(w), a, scale);
  return add_scaled<run, first, 0>(sums, as_signed(plus<-zero>(w)), a, scale);
}

}  // namespace
}  // namespace issun::simd
