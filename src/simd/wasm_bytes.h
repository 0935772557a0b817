// The part of the vocabulary on WebAssembly that works on bytes and 16-bit integers, products above
// all. Included by wasm.h alone. Meanings: scalar.h.
#pragma once

namespace issun::simd {
namespace {

// Bytes
inline I8x64 load(const int8_t* p) {
  return {
      {wasm_v128_load(p), wasm_v128_load(p + 16), wasm_v128_load(p + 32), wasm_v128_load(p + 48)}};
}
inline U8x64 load(const uint8_t* p) {
  return {
      {wasm_v128_load(p), wasm_v128_load(p + 16), wasm_v128_load(p + 32), wasm_v128_load(p + 48)}};
}
inline void store(void* p, U8x64 a) {
  auto* bytes = static_cast<uint8_t*>(p);
  wasm_v128_store(bytes, a.v[0]);
  wasm_v128_store(bytes + 16, a.v[1]);
  wasm_v128_store(bytes + 32, a.v[2]);
  wasm_v128_store(bytes + 48, a.v[3]);
}
inline I8x64 as_signed(U8x64 a) { return __builtin_bit_cast(I8x64, a); }
inline U8x64 as_unsigned(I8x64 a) { return __builtin_bit_cast(U8x64, a); }
inline I32x16 as_words(U8x64 a) { return __builtin_bit_cast(I32x16, a); }
inline void store(void* p, I8x64 a) { store(p, as_unsigned(a)); }
inline I8x64 join(const int8_t* p, const int8_t* q) {
  return {{wasm_v128_load(p), wasm_v128_load(p + 16), wasm_v128_load(q), wasm_v128_load(q + 16)}};
}
inline U8x64 join(const uint8_t* p, const uint8_t* q, const uint8_t* r, const uint8_t* s) {
  return {{wasm_v128_load(p), wasm_v128_load(q), wasm_v128_load(r), wasm_v128_load(s)}};
}
// Shifts are those of 16 bits, since x86-64 has none of bytes; what comes from the neighbour is
// masked away.
inline v128_t low_nibble(v128_t a) { return wasm_v128_and(a, wasm_i8x16_splat(15)); }
inline v128_t high_nibble(v128_t a) { return low_nibble(wasm_u16x8_shr(a, 4)); }
inline U8x64 nibbles(const uint8_t* p) {
  const v128_t first = wasm_v128_load(p), second = wasm_v128_load(p + 16);
  return {{low_nibble(first), low_nibble(second), high_nibble(first), high_nibble(second)}};
}
inline U8x64 nibbles16(const uint8_t* p, const uint8_t* q) {
  const v128_t first = wasm_v128_load(p), second = wasm_v128_load(q);
  return {{low_nibble(first), high_nibble(first), low_nibble(second), high_nibble(second)}};
}
inline U8x64 low_nibbles(U8x64 a) { return FOUR1(low_nibble, a); }
inline U8x64 high_nibbles(U8x64 a) { return FOUR1(high_nibble, a); }
inline U8x64 load_once(const uint8_t* p) { return load(p); }
// Bit `from` of each byte moved to bit `to`, among others that the caller masks away.
template <int from, int to>
inline v128_t moved(v128_t a) {
  if constexpr (from < to)
    return wasm_i16x8_shl(a, to - from);
  else if constexpr (from > to)
    return wasm_u16x8_shr(a, from - to);
  else
    return a;
}
template <int bits, int from, int to>
inline U8x64 moved_bits(U8x64 a) {
  const U8x64 places = FOUR1((moved<from, to>), a);
  const U8x64 masks = SAME(wasm_i8x16_splat(static_cast<int8_t>(((1 << bits) - 1) << to)));
  return FOUR2(wasm_v128_and, places, masks);
}
template <int to, int a, int b>
inline U8x64 moved_and_masked(const uint8_t* p, int mask) {
  const v128_t first = wasm_v128_load(p), second = wasm_v128_load(p + 16);
  const U8x64 places = {
      {moved<a, to>(first), moved<a, to>(second), moved<b, to>(first), moved<b, to>(second)}};
  const U8x64 masks = SAME(wasm_i8x16_splat(static_cast<int8_t>(mask)));
  return FOUR2(wasm_v128_and, places, masks);
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
  const v128_t all = wasm_i64x2_splat(static_cast<int64_t>(bits));
  const v128_t own = wasm_u8x16_const(1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128);
#define ONES(i)                                                                                   \
  wasm_i8x16_eq(                                                                                  \
      wasm_v128_and(wasm_i8x16_shuffle(all, all, 2 * i, 2 * i, 2 * i, 2 * i, 2 * i, 2 * i, 2 * i, \
                                       2 * i, 2 * i + 1, 2 * i + 1, 2 * i + 1, 2 * i + 1,         \
                                       2 * i + 1, 2 * i + 1, 2 * i + 1, 2 * i + 1),               \
                    own),                                                                         \
      own)
  return EACH(ONES);
#undef ONES
}
inline U8x64 splat_bytes(int byte) { return SAME(wasm_i8x16_splat(static_cast<int8_t>(byte))); }
inline U8x64 bytes_where(uint64_t bits, int byte) {
  return FOUR2(wasm_v128_and, ones_where(bits), splat_bytes(byte));
}
inline U8x64 operator|(U8x64 a, U8x64 b) { return FOUR2(wasm_v128_or, a, b); }
inline v128_t negated(v128_t ones, v128_t a) {
  return wasm_i8x16_sub(wasm_v128_xor(a, ones), ones);
}
inline I8x64 negate_where(uint64_t bits, I8x64 a) {
  const U8x64 ones = ones_where(bits);
  return FOUR2(negated, ones, a);
}
inline I8x64 look_up(const int8_t (&table)[16], U8x64 places) {
  const v128_t bytes = wasm_v128_load(table);
#ifdef __wasm_relaxed_simd__
#define FOUND(i) wasm_i8x16_relaxed_swizzle(bytes, places.v[i])
#else
#define FOUND(i) wasm_i8x16_swizzle(bytes, places.v[i])
#endif
  return EACH(FOUND);
#undef FOUND
}
inline I8x64 look_up4(const int8_t (*table)[4], const uint8_t* low, uint16_t ninth) {
  int8_t entries[16][4];
  for (int i = 0; i < 16; ++i)
    __builtin_memcpy(entries[i], table[low[i] | (ninth >> i & 1) << 8], 4);
  return load(entries[0]);
}
template <int k>
inline U8x64 plus(U8x64 a) {
  return FOUR2(wasm_i8x16_add, a, splat_bytes(k & 255));
}
inline I8x64 splat4(const int8_t* p) { return SAME(wasm_v128_load32_splat(p)); }
// Rows and columns of four words.
inline void transpose4(v128_t& a, v128_t& b, v128_t& c, v128_t& d) {
  const v128_t ab_low = wasm_i32x4_shuffle(a, b, 0, 4, 1, 5),
               ab_high = wasm_i32x4_shuffle(a, b, 2, 6, 3, 7),
               cd_low = wasm_i32x4_shuffle(c, d, 0, 4, 1, 5),
               cd_high = wasm_i32x4_shuffle(c, d, 2, 6, 3, 7);
  a = wasm_i64x2_shuffle(ab_low, cd_low, 0, 2);
  b = wasm_i64x2_shuffle(ab_low, cd_low, 1, 3);
  c = wasm_i64x2_shuffle(ab_high, cd_high, 0, 2);
  d = wasm_i64x2_shuffle(ab_high, cd_high, 1, 3);
}
// Sixteen blocks of 4 x 4 words, those beside the diagonal exchanged.
inline void transpose(U8x64 (&m)[16]) {
  v128_t w[16][4];
  for (int r = 0; r < 16; ++r)
    for (int i = 0; i < 4; ++i) w[r][i] = m[r].v[i];
  for (int i = 0; i < 4; ++i)
    for (int r = 0; r < 16; r += 4) transpose4(w[r][i], w[r + 1][i], w[r + 2][i], w[r + 3][i]);
  for (int r = 0; r < 16; ++r)
    for (int i = 0; i < 4; ++i) m[r].v[i] = w[4 * i + r % 4][r / 4];
}
inline void columns4(const uint8_t* const (&rows)[16], int at, U8x64 (&m)[4]) {
  for (int i = 0; i < 4; ++i) {
    v128_t w[4];
    for (int r = 0; r < 4; ++r) w[r] = wasm_v128_load(rows[4 * i + r] + at);
    transpose4(w[0], w[1], w[2], w[3]);
    for (int q = 0; q < 4; ++q) m[q].v[i] = w[q];
  }
}
inline void transpose(F32x16 (&m)[16]) {
  U8x64 t[16];
  for (int r = 0; r < 16; ++r) t[r] = __builtin_bit_cast(U8x64, m[r]);
  transpose(t);
  for (int r = 0; r < 16; ++r) m[r] = __builtin_bit_cast(F32x16, t[r]);
}

template <int byte, bool is_signed>
inline v128_t byte_of_words(v128_t w) {
  const v128_t top = wasm_i32x4_shl(w, 24 - 8 * byte);
  return wasm_f32x4_convert_i32x4(is_signed ? wasm_i32x4_shr(top, 24) : wasm_u32x4_shr(top, 24));
}
template <int byte, bool is_signed>
inline F32x16 byte_of_words(U8x64 w) {
  return FOUR1((byte_of_words<byte, is_signed>), w);
}

// Products
// c + products of bytes that may meet in any lane: w of -128..127 and a of -127..127, whose
// products add up to 16 bits in pairs.
inline v128_t pair_products(v128_t w, v128_t a) {
  return wasm_i16x8_add(wasm_i16x8_extmul_low_i8x16(w, a), wasm_i16x8_extmul_high_i8x16(w, a));
}
inline v128_t add_products(v128_t c, v128_t w, v128_t a) {
  return wasm_i32x4_add(c, wasm_i32x4_extadd_pairwise_i16x8(pair_products(w, a)));
}
// c + products of the eight bytes in `low`, then in `high`, each four of which meet in their lane.
inline v128_t add_fours(v128_t c, v128_t low, v128_t high) {
  const v128_t l = wasm_i32x4_extadd_pairwise_i16x8(low),
               h = wasm_i32x4_extadd_pairwise_i16x8(high);
  return wasm_i32x4_add(c, wasm_i32x4_add(wasm_i32x4_shuffle(l, h, 0, 2, 4, 6),
                                          wasm_i32x4_shuffle(l, h, 1, 3, 5, 7)));
}
#ifdef __wasm_relaxed_simd__
// Products of neighbours in pairs of 16 bits: on x86-64 one instruction, while the one that adds up
// fours is five there where the processor has no AVX-VNNI.
inline v128_t unsigned_pairs(v128_t w, v128_t a) {
  return wasm_i16x8_relaxed_dot_i8x16_i7x16(a, w);
}
// The operand of 0..127 is the size of the activations where weights are signed. With every bit of
// a weight turned where its activation is negative, w becomes -w - 1: -w would be no byte for -128.
// What that is too little are products of the size as well, which further rows share.
inline v128_t signed_pairs(v128_t w, v128_t a) {
  int zero = 0;
  asm("" : "+r"(zero));  // or a shift by 7 is made of it, six instructions on x86-64
  const v128_t negative = wasm_i8x16_lt(a, wasm_i32x4_splat(zero)), size = wasm_i8x16_abs(a);
  return wasm_i16x8_sub(wasm_i16x8_relaxed_dot_i8x16_i7x16(wasm_v128_xor(w, negative), size),
                        wasm_i16x8_relaxed_dot_i8x16_i7x16(negative, size));
}
inline v128_t add_unsigned(v128_t c, v128_t w, v128_t a) {
  return wasm_i32x4_add(c, wasm_i32x4_extadd_pairwise_i16x8(unsigned_pairs(w, a)));
}
inline v128_t add_signed(v128_t c, v128_t w, v128_t a) {
  return wasm_i32x4_add(c, wasm_i32x4_extadd_pairwise_i16x8(signed_pairs(w, a)));
}
inline I32x16 dot4(I32x16 c, U8x64 w, I8x64 a) { return FOUR3(add_unsigned, c, w, a); }
inline I32x16 dot4(I32x16 c, I8x64 w, I8x64 a) { return FOUR3(add_signed, c, w, a); }
#else
inline v128_t add_unsigned(v128_t c, v128_t w, v128_t a) { return add_products(c, w, a); }
inline v128_t add_signed(v128_t c, v128_t w, v128_t a) { return add_products(c, w, a); }
inline v128_t dot4(v128_t c, v128_t w, v128_t a) {
  return add_fours(c, wasm_i16x8_extmul_low_i8x16(w, a), wasm_i16x8_extmul_high_i8x16(w, a));
}
inline I32x16 dot4(I32x16 c, I8x64 w, I8x64 a) { return FOUR3(dot4, c, w, a); }
inline I32x16 dot4(I32x16 c, U8x64 w, I8x64 a) { return dot4(c, as_signed(w), a); }
#endif

inline I16x32 load(const int16_t* p) {
  return {
      {wasm_v128_load(p), wasm_v128_load(p + 8), wasm_v128_load(p + 16), wasm_v128_load(p + 24)}};
}
inline void store(int16_t* p, I16x32 a) {
  for (int i = 0; i < 4; ++i) wasm_v128_store(p + 8 * i, a.v[i]);
}
template <int pair>
inline I16x32 pair_of_words(U8x64 a) {
  constexpr int k = 2 * pair;
  const v128_t none = wasm_i8x16_splat(0);
#define PAIRS(i)                                                                                 \
  wasm_i8x16_shuffle(a.v[i], none, k, 16, k + 1, 16, k + 4, 16, k + 5, 16, k + 8, 16, k + 9, 16, \
                     k + 12, 16, k + 13, 16)
  return EACH(PAIRS);
#undef PAIRS
}
template <int pair>
inline I16x32 pair_of_words(I8x64 a) {
  const I16x32 words = pair_of_words<pair>(as_unsigned(a));
#define EXTENDED(i) wasm_i16x8_shr(wasm_i16x8_shl(words.v[i], 8), 8)
  return EACH(EXTENDED);
#undef EXTENDED
}
inline I16x32 splat2(const int16_t* p) { return SAME(wasm_v128_load32_splat(p)); }
inline v128_t add_dot2(v128_t c, v128_t a, v128_t b) {
  return wasm_i32x4_add(c, wasm_i32x4_dot_i16x8(a, b));
}
inline I32x16 dot2(I32x16 c, I16x32 a, I16x32 b) { return FOUR3(add_dot2, c, a, b); }

#ifdef __wasm_relaxed_simd__
using PairSums = I16x32;
inline PairSums pair_sums(U8x64 w, I8x64 a) { return FOUR2(unsigned_pairs, w, a); }
inline void add_pairs(PairSums& s, U8x64 w, I8x64 a) {
  const PairSums more = pair_sums(w, a);
  s = FOUR2(wasm_i16x8_add, s, more);
}
inline I32x16 add_sums(I32x16 c, const PairSums& s) {
#define ADDED(i) wasm_i32x4_add(c.v[i], wasm_i32x4_extadd_pairwise_i16x8(s.v[i]))
  return EACH(ADDED);
#undef ADDED
}
#else
// Products of the lower and of the upper eight bytes of each register, which become pairs when they
// are added to the rest.
struct PairSums {
  v128_t low[4], high[4];
};
inline PairSums pair_sums(U8x64 w, I8x64 a) {
  PairSums s;
  for (int i = 0; i < 4; ++i) {
    s.low[i] = wasm_i16x8_extmul_low_i8x16(w.v[i], a.v[i]);
    s.high[i] = wasm_i16x8_extmul_high_i8x16(w.v[i], a.v[i]);
  }
  return s;
}
inline void add_pairs(PairSums& s, U8x64 w, I8x64 a) {
  const PairSums more = pair_sums(w, a);
  for (int i = 0; i < 4; ++i) {
    s.low[i] = wasm_i16x8_add(s.low[i], more.low[i]);
    s.high[i] = wasm_i16x8_add(s.high[i], more.high[i]);
  }
}
inline I32x16 add_sums(I32x16 c, const PairSums& s) {
#define ADDED(i) add_fours(c.v[i], s.low[i], s.high[i])
  return EACH(ADDED);
#undef ADDED
}
#endif

// Half a line
struct I16x16 {
  v128_t v[2];
};
struct I32x8 {
  v128_t v[2];
};
struct F32x8 {
  v128_t v[2];
};
inline I16x16 load_half(const int16_t* p) { return {{wasm_v128_load(p), wasm_v128_load(p + 8)}}; }
inline I16x16 bytes_to_i16(const int8_t* p) {
  return {{wasm_i16x8_load8x8(p), wasm_i16x8_load8x8(p + 8)}};
}
inline I16x16 unsigned_to_i16(v128_t bytes) {
  return {{wasm_u16x8_extend_low_u8x16(bytes), wasm_u16x8_extend_high_u8x16(bytes)}};
}
inline I16x16 low_nibbles_to_i16(const uint8_t* p) {
  return unsigned_to_i16(low_nibble(wasm_v128_load(p)));
}
inline I16x16 high_nibbles_to_i16(const uint8_t* p) {
  return unsigned_to_i16(high_nibble(wasm_v128_load(p)));
}
inline I16x16 unpack_six_bits(const uint8_t* p) {
  const v128_t packed = wasm_v128_load(p), upper = wasm_u16x8_shr(packed, 4),
               tops = wasm_u16x8_shr(packed, 2);
  const v128_t low = wasm_v128_and(
      wasm_i8x16_shuffle(packed, upper, 4, 5, 6, 7, 12, 13, 14, 15, 8, 9, 10, 11, 28, 29, 30, 31),
      wasm_u8x16_const(63, 63, 63, 63, 15, 15, 15, 15, 63, 63, 63, 63, 15, 15, 15, 15));
  const v128_t high = wasm_v128_and(
      wasm_i8x16_shuffle(tops, tops, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 8, 9, 10, 11),
      wasm_u8x16_const(0, 0, 0, 0, 48, 48, 48, 48, 0, 0, 0, 0, 48, 48, 48, 48));
  return unsigned_to_i16(wasm_v128_or(low, high));
}
inline void store_half(int16_t* p, I16x16 a) {
  wasm_v128_store(p, a.v[0]);
  wasm_v128_store(p + 8, a.v[1]);
}
inline I16x16 mul(I16x16 a, I16x16 b) {
  return {{wasm_i16x8_mul(a.v[0], b.v[0]), wasm_i16x8_mul(a.v[1], b.v[1])}};
}
inline I32x8 dot2(I16x16 a, I16x16 b) {
  return {{wasm_i32x4_dot_i16x8(a.v[0], b.v[0]), wasm_i32x4_dot_i16x8(a.v[1], b.v[1])}};
}
template <int power>
inline I32x16 scaled_low(I32x8 a) {
  I32x16 r = zero_i32();
  for (int i = 0; i < 2; ++i)
    r.v[i] = power < 0 ? wasm_i32x4_shr(a.v[i], -power & 31) : wasm_i32x4_shl(a.v[i], power & 31);
  return r;
}
inline F32x16 to_f32(I16x16 a) { return to_f32(widened(a.v[0], a.v[1])); }
inline F32x8 zero_f32x8() { return {{wasm_f32x4_splat(0), wasm_f32x4_splat(0)}}; }
struct F32x4 {
  v128_t v;
};
inline F32x4 load_f32x4(const float* p) { return {wasm_v128_load(p)}; }
inline F32x4 two_halves(const uint8_t* p) {
  return {widen_halves(wasm_u32x4_extend_low_u16x8(wasm_v128_load32_zero(p)))};
}
inline F32x4 mul(F32x4 a, F32x4 b) { return {wasm_f32x4_mul(a.v, b.v)}; }
inline F32x16 splat_first(F32x4 a) { return SAME(everywhere<0>(a.v)); }
inline F32x8 splat_second(F32x4 a) { return {{everywhere<1>(a.v), everywhere<1>(a.v)}}; }
inline float sum(F32x8 a) { return sum_four(wasm_f32x4_add(a.v[0], a.v[1])); }

// Sums of scaled products. Lanes are free, so that few registers hold the sums: registers are what
// there is too little of.
// Products of one register, and of two: four of 63 and 127 fit into 16 bits.
inline v128_t small_products(v128_t w, v128_t a) {
#ifdef __wasm_relaxed_simd__
  return unsigned_pairs(w, a);
#else
  return pair_products(w, a);
#endif
}
inline v128_t small_products(v128_t w0, v128_t a0, v128_t w1, v128_t a1) {
  return wasm_i16x8_add(small_products(w0, a0), small_products(w1, a1));
}
// c + the products times scale[g].
template <int g>
inline v128_t add_times(v128_t c, v128_t products, const I16x16& scale) {
  const v128_t s = scale.v[g / 8];
  return add_dot2(c, products,
                  wasm_i16x8_shuffle(s, s, g % 8, g % 8, g % 8, g % 8, g % 8, g % 8, g % 8, g % 8));
}
template <int g0, int g1, int g2, int g3>
inline I32x16 add_scaled(I32x16 c, U8x64 w, I8x64 a, I16x16 scale) {
  if constexpr (g0 == g1 && g2 == g3) {
    c.v[0] = add_times<g0>(c.v[0], small_products(w.v[0], a.v[0], w.v[1], a.v[1]), scale);
    c.v[1] = add_times<g2>(c.v[1], small_products(w.v[2], a.v[2], w.v[3], a.v[3]), scale);
  } else {
    c.v[0] = add_times<g0>(c.v[0], small_products(w.v[0], a.v[0]), scale);
    c.v[1] = add_times<g1>(c.v[1], small_products(w.v[1], a.v[1]), scale);
    c.v[0] = add_times<g2>(c.v[0], small_products(w.v[2], a.v[2]), scale);
    c.v[1] = add_times<g3>(c.v[1], small_products(w.v[3], a.v[3]), scale);
  }
  return c;
}
inline F32x16 add_scaled(F32x16 sums, I32x16 c, F32x16 factor) {
  const v128_t all = wasm_i32x4_add(wasm_i32x4_add(c.v[0], c.v[1]), wasm_i32x4_add(c.v[2], c.v[3]));
  sums.v[0] = fused(wasm_f32x4_convert_i32x4(all), factor.v[0], sums.v[0]);
  return sums;
}
inline F32x8 add_scaled(F32x8 sums, I32x8 c, F32x8 factor) {
  sums.v[0] =
      fused(wasm_f32x4_convert_i32x4(wasm_i32x4_add(c.v[0], c.v[1])), factor.v[0], sums.v[0]);
  return sums;
}
// sums + d times scale[lane].
template <int lane>
inline v128_t add_scaled_by(v128_t sums, v128_t d, F32x16 scale) {
  return fused(wasm_f32x4_convert_i32x4(d), everywhere<lane % 4>(scale.v[lane / 4]), sums);
}
// Two registers of a group of 32 share their sums, and so do further lines: two registers of the
// sums are used.
template <int run, int first>
inline F32x16 add_scaled(F32x16 sums, const v128_t (&d)[4], F32x16 scale) {
  static_assert(run == 4 || run == 8);
  if constexpr (run == 8) {
    sums.v[0] = add_scaled_by<first>(sums.v[0], wasm_i32x4_add(d[0], d[1]), scale);
    sums.v[1] = add_scaled_by<first + 1>(sums.v[1], wasm_i32x4_add(d[2], d[3]), scale);
  } else {
    sums.v[0] = add_scaled_by<first>(sums.v[0], d[0], scale);
    sums.v[1] = add_scaled_by<first + 1>(sums.v[1], d[1], scale);
    sums.v[0] = add_scaled_by<first + 2>(sums.v[0], d[2], scale);
    sums.v[1] = add_scaled_by<first + 3>(sums.v[1], d[3], scale);
  }
  return sums;
}
template <int run, int first, int zero>
inline F32x16 add_scaled(F32x16 sums, I8x64 w, I8x64 a, F32x16 scale) {
  static_assert(zero == 0);
  v128_t d[4];
  for (int i = 0; i < 4; ++i) d[i] = add_signed(wasm_i32x4_splat(0), w.v[i], a.v[i]);
  return add_scaled<run, first>(sums, d, scale);
}
template <int run, int first, int zero>
inline F32x16 add_scaled(F32x16 sums, U8x64 w, I8x64 a, F32x16 scale) {
#ifdef __wasm_relaxed_simd__
  v128_t d[4];
  for (int i = 0; i < 4; ++i) {
    v128_t pairs = unsigned_pairs(w.v[i], a.v[i]);
    // Further rows share what stands for zero.
    if constexpr (zero != 0)
      pairs = wasm_i16x8_sub(pairs, unsigned_pairs(wasm_i8x16_splat(zero), a.v[i]));
    d[i] = wasm_i32x4_extadd_pairwise_i16x8(pairs);
  }
  return add_scaled<run, first>(sums, d, scale);
#else
  return add_scaled<run, first, 0>(sums, as_signed(plus<-zero>(w)), a, scale);
#endif
}

}  // namespace
}  // namespace issun::simd
