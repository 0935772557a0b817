// The vector vocabulary in plain C++: it defines what every operation means, and every other header
// of this folder must agree with it. A vector is one cache line: 16 floats, 16 integers or 64
// bytes. Included by one translation unit per instruction set, hence the unnamed namespace.
#pragma once

#include <stdint.h>

namespace issun::simd {
namespace {

struct F32x16 {
  float v[16];
};
struct I32x16 {
  int32_t v[16];
};
struct I16x32 {
  int16_t v[32];
};
struct I8x64 {  // -128..127
  int8_t v[64];
};
struct U8x64 {  // 0..127 where kWideDot is false
  uint8_t v[64];
};

// Whether dot4 takes weights of 0..255: then signed weights are stored as w + 128.
constexpr bool kWideDot = false;
// Whether dot4 takes signed weights in one instruction: then panels hold nothing else. Where
// neither holds, panels of unsigned weights are added up in pairs of 16 bits.
constexpr bool kSignedDot = false;
// Whether dot4 of signed weights costs more than dot2 of them as words of 16 bits: then panels hold
// those, unless they are to fill tiles.
#ifdef ISSUN_PLAIN_TILES
constexpr bool kSignedWords = false;
#else
constexpr bool kSignedWords = true;  // here so that these loops are tested as all others are
#endif
// Whether attention multiplies quantised caches as bytes: where an instruction adds four products.
constexpr bool kByteCaches = true;  // here so that these loops are tested as all others are
// The tile of the panel kernels: 16-row vectors and tokens whose sums fit into registers.
constexpr int kTileVectors = 1, kTileTokens = 2;
// The most tokens that share a row in the dot kernels (1, 2 or 4), and the rows they go along side
// by side for one token. More is faster where lanes are registers, and slow to compile where they
// are not.
constexpr int kDotTokens = 1, kDotStreams = 1;
// Up to so many tokens the dot kernels are the faster ones, for 8-bit activations and for floats.
constexpr int kFewTokens = 6, kFewTokensF32 = 6;
// The tile of the products of matrices of floats: rows, and vectors of columns.
constexpr int kGemmRows = 2, kGemmVectors = 1;

#define EACH(count, statement) \
  for (int i = 0; i < (count); ++i) statement;

// Floats
inline F32x16 splat(float x) {
  F32x16 r;
  EACH(16, r.v[i] = x)
  return r;
}
inline F32x16 zero_f32() { return splat(0); }
inline F32x16 load(const float* p) {
  F32x16 r;
  __builtin_memcpy(&r, p, 64);
  return r;
}
inline void store(float* p, F32x16 a) { __builtin_memcpy(p, &a, 64); }
// The first n lanes, 0 <= n <= 16; the others are zero, or left alone.
inline F32x16 load_first(const float* p, int n) {
  F32x16 r = zero_f32();
  __builtin_memcpy(r.v, p, static_cast<unsigned>(n) * 4);  // of any alignment
  return r;
}
inline void store_first(float* p, F32x16 a, int n) { EACH(n, p[i] = a.v[i]) }
inline F32x16 add(F32x16 a, F32x16 b) {
  EACH(16, a.v[i] += b.v[i])
  return a;
}
inline F32x16 sub(F32x16 a, F32x16 b) {
  EACH(16, a.v[i] -= b.v[i])
  return a;
}
inline F32x16 mul(F32x16 a, F32x16 b) {
  EACH(16, a.v[i] *= b.v[i])
  return a;
}
inline F32x16 div(F32x16 a, F32x16 b) {
  EACH(16, a.v[i] /= b.v[i])
  return a;
}
// a * b + c, and c - a * b; rounded once where the instruction set fuses.
inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
  EACH(16, c.v[i] += a.v[i] * b.v[i])
  return c;
}
inline F32x16 fnma(F32x16 a, F32x16 b, F32x16 c) {
  EACH(16, c.v[i] -= a.v[i] * b.v[i])
  return c;
}
// The second operand where the first is NaN or both are equal, as x86 has it.
inline F32x16 max(F32x16 a, F32x16 b) {
  EACH(16, a.v[i] = a.v[i] > b.v[i] ? a.v[i] : b.v[i])
  return a;
}
inline F32x16 min(F32x16 a, F32x16 b) {
  EACH(16, a.v[i] = a.v[i] < b.v[i] ? a.v[i] : b.v[i])
  return a;
}
inline F32x16 abs(F32x16 a) {
  EACH(16, a.v[i] = __builtin_fabsf(a.v[i]))
  return a;
}
inline F32x16 sqrt(F32x16 a) {
  EACH(16, a.v[i] = __builtin_sqrtf(a.v[i]))
  return a;
}
// Lane i where i is in [begin, end), else the other.
inline F32x16 choose_range(int begin, int end, F32x16 inside, F32x16 outside) {
  EACH(16, inside.v[i] = i >= begin && i < end ? inside.v[i] : outside.v[i])
  return inside;
}
// Lanes of a where x is at least the limit or NaN, zero elsewhere.
inline F32x16 zero_where_below(F32x16 x, F32x16 limit, F32x16 a) {
  EACH(16, a.v[i] = x.v[i] < limit.v[i] ? 0 : a.v[i])
  return a;
}
// Lanes are folded in halves: 8 and 8, 4 and 4, 2 and 2, 1 and 1.
inline float sum(F32x16 a) {
  for (int n = 8; n > 0; n /= 2) EACH(n, a.v[i] += a.v[i + n])
  return a.v[0];
}
inline float largest(F32x16 a) {
  for (int n = 8; n > 0; n /= 2) EACH(n, a.v[i] = a.v[i] > a.v[i + n] ? a.v[i] : a.v[i + n])
  return a.v[0];
}
// Lane i is a[first + i / run].
template <int run, int first = 0>
inline F32x16 spread(F32x16 a) {
  F32x16 r;
  EACH(16, r.v[i] = a.v[first + i / run])
  return r;
}
// Eight floats, then zeros.
inline F32x16 load_first8(const float* p) {
  F32x16 r = zero_f32();
  EACH(8, r.v[i] = p[i])
  return r;
}
// 8 lanes of lo, 8 of hi.
inline F32x16 halves(float lo, float hi) {
  F32x16 r;
  EACH(16, r.v[i] = i < 8 ? lo : hi)
  return r;
}

// Integers
inline I32x16 zero_i32() { return {}; }
inline I32x16 splat(int32_t x) {
  I32x16 r;
  EACH(16, r.v[i] = x)
  return r;
}
inline I32x16 load(const int32_t* p) {
  I32x16 r;
  __builtin_memcpy(&r, p, 64);
  return r;
}
inline void store(int32_t* p, I32x16 a) { __builtin_memcpy(p, &a, 64); }
inline I32x16 add(I32x16 a, I32x16 b) {
  EACH(16,
       a.v[i] = static_cast<int32_t>(static_cast<uint32_t>(a.v[i]) + static_cast<uint32_t>(b.v[i])))
  return a;
}
inline I32x16 sub(I32x16 a, I32x16 b) {
  EACH(16,
       a.v[i] = static_cast<int32_t>(static_cast<uint32_t>(a.v[i]) - static_cast<uint32_t>(b.v[i])))
  return a;
}
inline I32x16 shift_left(I32x16 a, int count) {
  EACH(16, a.v[i] = static_cast<int32_t>(static_cast<uint32_t>(a.v[i]) << count))
  return a;
}
inline I32x16 shift_right(I32x16 a, int count) {
  EACH(16, a.v[i] >>= count)
  return a;
}
inline F32x16 to_f32(I32x16 a) {
  F32x16 r;
  EACH(16, r.v[i] = static_cast<float>(a.v[i]))
  return r;
}
// To the nearest, ties to even; INT32_MIN for NaN and whatever does not fit.
inline I32x16 round_to_i32(F32x16 a) {
  I32x16 r;
  EACH(16, r.v[i] = __builtin_fabsf(a.v[i]) < 0x1p31f
                        ? static_cast<int32_t>(__builtin_rintf(a.v[i]))
                        : INT32_MIN)
  return r;
}
// Defined where dot2 adds more products than fma in the same time, and there are registers enough:
// then prompts attend in words, for which are as_i32, sums and alternate_words.
#define ISSUN_WORD_DOT
// The bits of a float, and the float with these bits.
inline I32x16 as_i32(F32x16 a) { return __builtin_bit_cast(I32x16, a); }
inline F32x16 as_f32(I32x16 a) { return __builtin_bit_cast(F32x16, a); }
inline int32_t sum(I32x16 a) {
  uint32_t s = 0;
  EACH(16, s += static_cast<uint32_t>(a.v[i]))
  return static_cast<int32_t>(s);
}
// The low bytes of 16 integers that fit into -128..127.
inline void store_bytes(int8_t* p, I32x16 a) { EACH(16, p[i] = static_cast<int8_t>(a.v[i])) }
inline void store_bytes(int8_t* p, const I32x16 (&a)[4]) {
  EACH(64, p[i] = static_cast<int8_t>(a[i / 16].v[i % 16]))
}
// 16 bytes as floats.
inline F32x16 bytes_to_f32(const uint8_t* p) {
  F32x16 r;
  EACH(16, r.v[i] = p[i])
  return r;
}
inline F32x16 bytes_to_f32(const int8_t* p) {
  F32x16 r;
  EACH(16, r.v[i] = p[i])
  return r;
}
// Sixteen-bit floats
inline float half_to_float(uint16_t h) {
  const uint32_t sign = (h & 0x8000u) << 16, exponent = (h >> 10) & 31, mantissa = h & 1023;
  uint32_t bits;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    __builtin_memcpy(&bits, &magnitude, 4);
    bits |= sign;
  } else if (exponent == 31) {
    bits = sign | 0x7f800000u | mantissa << 13 | (mantissa != 0 ? 0x400000u : 0);
  } else {
    bits = sign | (exponent + 112) << 23 | mantissa << 13;
  }
  return __builtin_bit_cast(float, bits);
}
inline F32x16 load_f16(const void* p) {
  uint16_t h[16];
  __builtin_memcpy(h, p, 32);
  F32x16 r;
  EACH(16, r.v[i] = half_to_float(h[i]))
  return r;
}
inline F32x16 load_bf16(const void* p) {
  uint16_t h[16];
  __builtin_memcpy(h, p, 32);
  F32x16 r;
  EACH(16, r.v[i] = __builtin_bit_cast(float, static_cast<uint32_t>(h[i]) << 16))
  return r;
}
// Eight halves, each `apart` bytes behind the one before, in lanes 0..7; zero above. All
// 8 * apart - 2 bytes from p on may be read.
template <int apart>
inline F32x16 halves_apart(const uint8_t* p) {
  F32x16 r = zero_f32();
  uint16_t half;
  EACH(8, (__builtin_memcpy(&half, p + i * apart, 2), r.v[i] = half_to_float(half)))
  return r;
}
// Eight numbers of six bits less 32, in lanes 0..7, zero above: four bits of each are in `low`, the
// two above them in `high`.
inline F32x16 six_bits(uint32_t low, uint32_t high) {
  F32x16 r = zero_f32();
  EACH(8, r.v[i] = static_cast<float>(
              static_cast<int>((low >> 4 * i & 15) | (high >> 2 * i & 3) << 4) - 32))
  return r;
}
// To the nearest, ties to even; NaN stays NaN.
inline void store_f16(void* p, F32x16 a) {
  uint16_t h[16];
  for (int i = 0; i < 16; ++i) {
    const uint32_t bits = __builtin_bit_cast(uint32_t, a.v[i]);
    const uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    uint32_t half;
    if (magnitude > 0x7f800000) {
      half = 0x7e00 | (magnitude >> 13 & 0x1ff);
    } else if (magnitude >= 0x477ff000) {
      half = 0x7c00;
    } else if (magnitude < 0x38800000) {  // adding 0.5 leaves the rounded subnormal in the mantissa
      half = __builtin_bit_cast(uint32_t, __builtin_bit_cast(float, magnitude) + 0.5f) - 0x3f000000;
    } else {
      half = (magnitude + 0xfff + (magnitude >> 13 & 1) - 0x38000000) >> 13;
    }
    h[i] = static_cast<uint16_t>(sign | half);
  }
  __builtin_memcpy(p, h, 32);
}
inline void store_bf16(void* p, F32x16 a) {
  uint16_t h[16];
  for (int i = 0; i < 16; ++i) {
    const uint32_t bits = __builtin_bit_cast(uint32_t, a.v[i]);
    const bool nan = (bits & 0x7fffffff) > 0x7f800000;
    h[i] =
        static_cast<uint16_t>(nan ? bits >> 16 | 0x40 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16);
  }
  __builtin_memcpy(p, h, 32);
}

// Bytes
inline I8x64 load(const int8_t* p) {
  I8x64 r;
  __builtin_memcpy(&r, p, 64);
  return r;
}
inline U8x64 load(const uint8_t* p) {
  U8x64 r;
  __builtin_memcpy(&r, p, 64);
  return r;
}
inline void store(void* p, I8x64 a) { __builtin_memcpy(p, &a, 64); }
inline void store(void* p, U8x64 a) { __builtin_memcpy(p, &a, 64); }
// 32 bytes of p, then 32 of q.
inline I8x64 join(const int8_t* p, const int8_t* q) {
  I8x64 r;
  __builtin_memcpy(r.v, p, 32);
  __builtin_memcpy(r.v + 32, q, 32);
  return r;
}
inline U8x64 join(const uint8_t* p, const uint8_t* q, const uint8_t* r, const uint8_t* s) {
  U8x64 a;
  __builtin_memcpy(a.v, p, 16);
  __builtin_memcpy(a.v + 16, q, 16);
  __builtin_memcpy(a.v + 32, r, 16);
  __builtin_memcpy(a.v + 48, s, 16);
  return a;
}
// 32 bytes as their 32 low nibbles, then their 32 high ones; from two places 16 and 16.
inline U8x64 nibbles(const uint8_t* p) {
  U8x64 r;
  EACH(32, (r.v[i] = p[i] & 15, r.v[32 + i] = p[i] >> 4))
  return r;
}
inline U8x64 nibbles16(const uint8_t* p, const uint8_t* q) {
  U8x64 r;
  EACH(16, (r.v[i] = p[i] & 15, r.v[16 + i] = p[i] >> 4, r.v[32 + i] = q[i] & 15,
            r.v[48 + i] = q[i] >> 4))
  return r;
}
inline U8x64 low_nibbles(U8x64 a) {
  EACH(64, a.v[i] &= 15)
  return a;
}
inline U8x64 high_nibbles(U8x64 a) {
  EACH(64, a.v[i] >>= 4)
  return a;
}
// The `bits` bits from bit `from` on of each byte, moved to bit `to`; zeros beside them.
template <int bits, int from, int to>
inline U8x64 moved_bits(U8x64 a) {
  EACH(64, a.v[i] = static_cast<uint8_t>((a.v[i] >> from & ((1 << bits) - 1)) << to))
  return a;
}
// load() that is not repeated for every use: unaligned lines are read at half speed.
inline U8x64 load_once(const uint8_t* p) { return load(p); }
// 32 bytes -> bits s, s+1 of each, then bits s+2, s+3 of each, in bits `to`, `to` + 1 (s = 0 or 4;
// to = 0 or 4).
template <int to, int s>
inline U8x64 two_bits_at(const uint8_t* p) {
  U8x64 r;
  EACH(32, (r.v[i] = static_cast<uint8_t>((p[i] >> s & 3) << to),
            r.v[32 + i] = static_cast<uint8_t>((p[i] >> (s + 2) & 3) << to)))
  return r;
}
// 32 bytes -> bit a of each, then bit b of each, in bit `to` (both at most `to`, or at least).
template <int to, int a, int b>
inline U8x64 bits_at(const uint8_t* p) {
  U8x64 r;
  EACH(32, (r.v[i] = static_cast<uint8_t>((p[i] >> a & 1) << to),
            r.v[32 + i] = static_cast<uint8_t>((p[i] >> b & 1) << to)))
  return r;
}
// The byte where the bit is set, zero elsewhere; bits from the lowest.
inline U8x64 bytes_where(uint64_t bits, int byte) {
  U8x64 r;
  EACH(64, r.v[i] = static_cast<uint8_t>((bits >> i & 1) != 0 ? byte : 0))
  return r;
}
inline U8x64 operator|(U8x64 a, U8x64 b) {
  EACH(64, a.v[i] |= b.v[i])
  return a;
}
inline I8x64 as_signed(U8x64 a) { return __builtin_bit_cast(I8x64, a); }
inline U8x64 as_unsigned(I8x64 a) { return __builtin_bit_cast(U8x64, a); }
// Four bytes in each lane, the first of them the lowest.
inline I32x16 as_words(U8x64 a) { return __builtin_bit_cast(I32x16, a); }
// -a where the bit is set. a is -127..127.
inline I8x64 negate_where(uint64_t bits, I8x64 a) {
  EACH(64, a.v[i] = static_cast<int8_t>((bits >> i & 1) != 0 ? -a.v[i] : a.v[i]))
  return a;
}
// The bytes at these places (0..15) of a table.
inline I8x64 look_up(const int8_t (&table)[16], U8x64 places) {
  I8x64 r;
  EACH(64, r.v[i] = table[places.v[i]])
  return r;
}
// Entries of four bytes at sixteen places of nine bits, the lower eight of which are bytes.
inline I8x64 look_up4(const int8_t (*table)[4], const uint8_t* low, uint16_t ninth) {
  I8x64 r;
  EACH(64, r.v[i] = table[low[i / 4] | (ninth >> i / 4 & 1) << 8][i % 4])
  return r;
}
// Each byte plus k, modulo 256.
template <int k>
inline U8x64 plus(U8x64 a) {
  EACH(64, a.v[i] = static_cast<uint8_t>(a.v[i] + k))
  return a;
}
inline U8x64 splat_bytes(int byte) {
  U8x64 r;
  EACH(64, r.v[i] = static_cast<uint8_t>(byte))
  return r;
}
// The same four bytes in every lane.
inline I8x64 splat4(const int8_t* p) {
  I8x64 r;
  EACH(64, r.v[i] = p[i % 4])
  return r;
}
// Rows become columns: word r of m[q] was word q of m[r].
inline void transpose(U8x64 (&m)[16]) {
  uint32_t w[16][16];
  __builtin_memcpy(w, m, sizeof w);
  for (int r = 0; r < 16; ++r)
    for (int q = 0; q < 16; ++q) __builtin_memcpy(&m[q].v[4 * r], &w[r][q], 4);
}
// The 16 bytes at `at` of 16 rows: word r of m[q] is word q of row r.
inline void columns4(const uint8_t* const (&rows)[16], int at, U8x64 (&m)[4]) {
  for (int q = 0; q < 4; ++q)
    for (int r = 0; r < 16; ++r) __builtin_memcpy(&m[q].v[4 * r], rows[r] + at + 4 * q, 4);
}
// Four rows of 64 bytes: byte r of word i of m[v] is byte 16 v + i of row r.
inline void interleave4(U8x64 (&m)[4]) {
  uint8_t rows[4][64];
  __builtin_memcpy(rows, m, sizeof rows);
  for (int i = 0; i < 64; ++i)
    for (int r = 0; r < 4; ++r) m[i / 16].v[i % 16 * 4 + r] = rows[r][i];
}
inline void transpose(F32x16 (&m)[16]) {
  for (int r = 0; r < 16; ++r)
    for (int q = 0; q < r; ++q) {
      const float x = m[r].v[q];
      m[r].v[q] = m[q].v[r];
      m[q].v[r] = x;
    }
}
// Lane i: the sum of m[i], which are added up in one order for all.
inline F32x16 sums(const F32x16 (&m)[16]) {
  F32x16 t[16];
  for (int i = 0; i < 16; ++i) t[i] = m[i];
  transpose(t);
  for (int n = 8; n > 0; n /= 2)
    for (int i = 0; i < n; ++i) t[i] = add(t[i], t[i + n]);
  return t[0];
}

// c[i] + the products of the four bytes of lane i. a is -127..127.
inline I32x16 dot4(I32x16 c, U8x64 w, I8x64 a) {
  EACH(64, c.v[i / 4] += w.v[i] * a.v[i])
  return c;
}
inline I32x16 dot4(I32x16 c, I8x64 w, I8x64 a) {
  EACH(64, c.v[i / 4] += w.v[i] * a.v[i])
  return c;
}
// Two words of 16 rows, weights of -128..127, times those of two tokens: an instruction multiplies
// two rows by two columns, eight deep. Where there is one, ISSUN_MATRIX_DOT is defined, and
// - pair_words(two): words q and q + 1 of 16 rows, 64 bytes each, become what dot8 reads;
// - dot8(c, two, first, second): c + their products with eight bytes of each of two tokens;
// - part(c, d, e): the sums of the first token and of the second, lane = row.

// Byte `byte` of each word.
template <int byte, bool is_signed>
inline F32x16 byte_of_words(U8x64 w) {
  F32x16 r;
  EACH(16, r.v[i] = is_signed ? static_cast<int8_t>(w.v[4 * i + byte]) : w.v[4 * i + byte])
  return r;
}

// Pairs of bf16, as words: `pairs` rounds to the nearest, ties to even; NaN stays NaN. Only where
// ISSUN_PAIR_DOT is defined, and prompts against BF16 are multiplied so there; others do better
// with floats, that were rounded to bf16 or not.
#define ISSUN_PAIR_DOT
struct Bf16x32 {
  uint16_t v[32];
};
inline Bf16x32 pairs(F32x16 even, F32x16 odd) {
  uint16_t e[16], o[16];
  store_bf16(e, even);
  store_bf16(o, odd);
  Bf16x32 r;
  EACH(16, (r.v[2 * i] = e[i], r.v[2 * i + 1] = o[i]))
  return r;
}
inline Bf16x32 load_pairs(const void* p) {
  Bf16x32 r;
  __builtin_memcpy(&r, p, 64);
  return r;
}
inline void store_pairs(void* p, Bf16x32 a) { __builtin_memcpy(p, &a, 64); }
// The same pair in every lane.
inline Bf16x32 splat_pair(const void* p) {
  uint16_t pair[2];
  __builtin_memcpy(pair, p, 4);
  Bf16x32 r;
  EACH(32, r.v[i] = pair[i % 2])
  return r;
}
// c[i] + the products of the two bf16 of lane i, in either order, rounded after each or once;
// subnormal numbers may count as zero.
inline F32x16 dot2(F32x16 c, Bf16x32 a, Bf16x32 b) {
  const auto wide = [](uint16_t h) {
    return __builtin_bit_cast(float, static_cast<uint32_t>(h) << 16);
  };
  EACH(32, c.v[i / 2] += wide(a.v[i]) * wide(b.v[i]))
  return c;
}

// c[i] + the products of the two 16-bit integers of lane i.
inline I16x32 load(const int16_t* p) {
  I16x32 r;
  __builtin_memcpy(&r, p, 64);
  return r;
}
inline I16x32 splat2(const int16_t* p) {
  I16x32 r;
  EACH(32, r.v[i] = p[i % 2])
  return r;
}
inline void store(int16_t* p, I16x32 a) { __builtin_memcpy(p, a.v, sizeof a.v); }
// Bytes 2 pair and 2 pair + 1 of each word, unsigned, or where kSignedWords also signed.
template <int pair, class Bytes>
inline I16x32 pair_of_words(Bytes a) {
  I16x32 r;
  EACH(32, r.v[i] = a.v[i / 2 * 4 + 2 * pair + i % 2])
  return r;
}
// The lower halves of even, each before that of odd.
inline I16x32 alternate_words(I32x16 even, I32x16 odd) {
  I16x32 r;
  EACH(32, r.v[i] = static_cast<int16_t>(i % 2 == 0 ? even.v[i / 2] : odd.v[i / 2]))
  return r;
}
inline I32x16 dot2(I32x16 c, I16x32 a, I16x32 b) {
  EACH(32, c.v[i / 2] += a.v[i] * b.v[i])
  return c;
}

// Products of neighbouring bytes added in pairs, and more of them, as long as they fit into 16
// bits; w is 0..127.
using PairSums = I16x32;
inline PairSums pair_sums(U8x64 w, I8x64 a) {
  PairSums r;
  EACH(32, r.v[i] = static_cast<int16_t>(w.v[2 * i] * a.v[2 * i] + w.v[2 * i + 1] * a.v[2 * i + 1]))
  return r;
}
inline void add_pairs(PairSums& s, U8x64 w, I8x64 a) {
  const PairSums more = pair_sums(w, a);
  EACH(32, s.v[i] = static_cast<int16_t>(s.v[i] + more.v[i]))
}
// c[i] + the two sums of lane i.
inline I32x16 add_sums(I32x16 c, const PairSums& s) {
  EACH(32, c.v[i / 2] += s.v[i])
  return c;
}

inline void prefetch(const void* p) { __builtin_prefetch(p); }
// Not as near: it would fill the first cache, and where many lines are asked for at a time the
// second one takes them sooner.
inline void prefetch_far(const void* p) { __builtin_prefetch(p, 0, 2); }

// Half a line: 16 small integers, and 8 sums.
struct I16x16 {
  int16_t v[16];
};
struct I32x8 {
  int32_t v[8];
};
struct F32x8 {
  float v[8];
};
inline I16x16 load_half(const int16_t* p) {
  I16x16 r;
  __builtin_memcpy(&r, p, 32);
  return r;
}
inline I16x16 bytes_to_i16(const int8_t* p) {
  I16x16 r;
  EACH(16, r.v[i] = p[i])
  return r;
}
// The low nibbles of 16 bytes, and the high ones.
inline I16x16 low_nibbles_to_i16(const uint8_t* p) {
  I16x16 r;
  EACH(16, r.v[i] = p[i] & 15)
  return r;
}
inline I16x16 high_nibbles_to_i16(const uint8_t* p) {
  I16x16 r;
  EACH(16, r.v[i] = p[i] >> 4)
  return r;
}
// 12 bytes p[4..15] that hold 8 scales and 8 mins of six bits, as blocks with mins pack them; all
// of p[0..15] may be read.
inline I16x16 unpack_six_bits(const uint8_t* p) {
  I16x16 r;
  for (int g = 0; g < 4; ++g) {
    r.v[g] = p[4 + g] & 63;
    r.v[4 + g] = static_cast<int16_t>((p[12 + g] & 15) | (p[4 + g] >> 6) << 4);
    r.v[8 + g] = p[8 + g] & 63;
    r.v[12 + g] = static_cast<int16_t>(p[12 + g] >> 4 | (p[8 + g] >> 6) << 4);
  }
  return r;
}
inline void store_half(int16_t* p, I16x16 a) { __builtin_memcpy(p, &a, 32); }
inline I16x16 mul(I16x16 a, I16x16 b) {
  EACH(16, a.v[i] = static_cast<int16_t>(a.v[i] * b.v[i]))
  return a;
}
inline I32x8 dot2(I16x16 a, I16x16 b) {
  I32x8 r;
  EACH(8, r.v[i] = a.v[2 * i] * b.v[2 * i] + a.v[2 * i + 1] * b.v[2 * i + 1])
  return r;
}
// c + the products of w (0..63) and a, those of the four runs of 16 bytes times scale[g0],
// scale[g1], scale[g2] and scale[g3]; all below 8, or none. In which of the four lanes of their run
// they meet is not said.
template <int g0, int g1, int g2, int g3>
inline I32x16 add_scaled(I32x16 c, U8x64 w, I8x64 a, I16x16 scale) {
  constexpr int kFrom[4] = {g0, g1, g2, g3};
  EACH(64, c.v[i / 4] += w.v[i] * a.v[i] * scale.v[kFrom[i / 16]])
  return c;
}
// sums + the products of a and what w is above `zero`, those of each run of 4 * run bytes (of 16 or
// 32) times a scale, scale[first] for the first. In which lanes they meet is not said, but zeros
// give exactly zero.
template <int run, int first, int zero>
inline F32x16 add_scaled(F32x16 sums, U8x64 w, I8x64 a, F32x16 scale) {
  I32x16 d = zero_i32();
  if constexpr (zero != 0) d = sub(d, dot4(d, splat_bytes(zero), a));
  return fma(to_f32(dot4(d, w, a)), spread<run, first>(scale), sums);
}
template <int run, int first, int zero>
inline F32x16 add_scaled(F32x16 sums, I8x64 w, I8x64 a, F32x16 scale) {
  return fma(to_f32(dot4(zero_i32(), w, a)), spread<run, first>(scale), sums);
}
// a times two to the `power` in lanes 0..7, zero above. Nothing but zeros is shifted out.
template <int power>
inline I32x16 scaled_low(I32x8 a) {
  I32x16 r{};
  if constexpr (power < 0)
    EACH(8, r.v[i] = a.v[i] >> -power)
  else
    EACH(8, r.v[i] = a.v[i] * (1 << power))
  return r;
}
inline F32x16 to_f32(I16x16 a) {
  F32x16 r;
  EACH(16, r.v[i] = a.v[i])
  return r;
}
inline F32x8 zero_f32x8() { return {}; }
// Two floats of interest; what the others hold does not matter.
struct F32x4 {
  float v[4];
};
inline F32x4 load_f32x4(const float* p) {
  F32x4 r;
  __builtin_memcpy(&r, p, 16);
  return r;
}
inline F32x4 two_halves(const uint8_t* p) {
  uint16_t h[2];
  __builtin_memcpy(h, p, 4);
  return {{half_to_float(h[0]), half_to_float(h[1]), 0, 0}};
}
inline F32x4 mul(F32x4 a, F32x4 b) {
  EACH(2, a.v[i] *= b.v[i])
  return a;
}
inline F32x16 splat_first(F32x4 a) { return splat(a.v[0]); }
inline F32x8 splat_second(F32x4 a) {
  F32x8 r;
  EACH(8, r.v[i] = a.v[1])
  return r;
}
// sums + c times a number that all lanes of the factor have. In which lanes they meet is not said.
inline F32x16 add_scaled(F32x16 sums, I32x16 c, F32x16 factor) {
  return fma(to_f32(c), factor, sums);
}
inline F32x8 add_scaled(F32x8 sums, I32x8 c, F32x8 factor) {
  EACH(8, sums.v[i] += static_cast<float>(c.v[i]) * factor.v[i])
  return sums;
}
inline float sum(F32x8 a) {
  for (int n = 4; n > 0; n /= 2) EACH(n, a.v[i] += a.v[i + n])
  return a.v[0];
}

#undef EACH
}  // namespace
}  // namespace issun::simd
