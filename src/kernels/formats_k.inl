// The formats with blocks of 256 weights that the loops read in place. What a format has to have:
// formats.inl.
#pragma once

#include "kernels/formats.inl"
#include "tensor/blocks.h"
#include "tensor/codebooks.h"

namespace issun::kernels {
namespace {

// Q4_K and Q5_K.
struct WithMins {
  static constexpr int kBlock = 256, kGroup = 32, kZero = 0;
  static constexpr bool kSigned = false, kIntegerScales = true;
  static constexpr Mins kMins = Mins::kIntegers;
  static constexpr int kNibbleRun = 8;
  static F32x16 scales(const uint8_t* unit) {
    return mul(to_f32(integers(unit)), halves(scale(unit), min_scale(unit)));
  }
  static I16x16 integers(const uint8_t* unit) { return unpack_six_bits(unit); }
  static float scale(const uint8_t* unit) { return half_to_float(load_u16(unit)); }
  static float min_scale(const uint8_t* unit) { return half_to_float(load_u16(unit + 2)); }
  static void scale_columns(const uint8_t* const (&units)[16], float (&scales)[8][16],
                            int16_t (&mins)[4][32], float (&min_scales)[16]) {
    // What unpack_six_bits does, of 16 rows: words of four groups each.
    U8x64 m[4];
    columns4(units, 0, m);
    const U8x64 s[2] = {moved_bits<6, 0, 0>(m[1]),
                        moved_bits<4, 0, 0>(m[3]) | moved_bits<2, 6, 4>(m[1])};
    const U8x64 n[2] = {moved_bits<6, 0, 0>(m[2]),
                        moved_bits<4, 4, 0>(m[3]) | moved_bits<2, 6, 4>(m[2])};
    const F32x16 d = halves_of_rows(units, 0);
    store(min_scales, halves_of_rows(units, 2));
    unrolled<2>([&]<int half>() __attribute__((always_inline)) {
      unrolled<4>([&]<int i>() __attribute__((always_inline)) {
        store(scales[4 * half + i], mul(byte_of_words<i, false>(s[half]), d));
      });
      unrolled<2>([&]<int pair>() __attribute__((always_inline)) {
        store(mins[2 * half + pair], pair_of_words<pair>(n[half]));
      });
    });
  }
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
  template <int h>
  static U8x64 nibble_line(const uint8_t* unit) {
    return load(unit + 16 + 64 * h);
  }
};

struct Q5_K : WithMins {
  static constexpr DType kType = DType::Q5_K;
  static constexpr int kBytes = sizeof(BlockQ5_K), kPairSums = 4;  // 4 * 2 * 31 * 127
  template <int c>
  static U8x64 weights(const uint8_t* unit) {
    return nibbles(unit + 48 + 32 * c) | bits_at<4, 2 * c, 2 * c + 1>(unit + 16);
  }
  template <int h>
  static void halves(const uint8_t* unit, U8x64 (&w)[2]) {
    const U8x64 both = load_once(unit + 48 + 64 * h);
    w[0] = low_nibbles(both) | bits_at<4, 4 * h, 4 * h + 2>(unit + 16);
    w[1] = high_nibbles(both) | bits_at<4, 4 * h + 1, 4 * h + 3>(unit + 16);
  }
  template <int h>
  static U8x64 nibble_line(const uint8_t* unit) {
    return load(unit + 48 + 64 * h);
  }
  static U8x64 high_line(const uint8_t* unit) { return load(unit + 16); }  // the first half of it
  template <int h, int q, int nibble>
  static U8x64 high_bits(const U8x64 (&line)[16]) {
    return moved_bits<1, 4 * h + q / 8 * 2 + nibble, 4>(line[q % 8]);
  }
};

// Integer scales of groups of 16; a format has integers(), scale() and halves<h>(), in the order of
// the columns.
template <class Format>
struct GroupsOf16 {
  static constexpr int kBlock = 256, kGroup = 16;
  static constexpr bool kSigned = false, kIntegerScales = true;
  static F32x16 scales(const uint8_t* unit) {
    return mul(to_f32(Format::integers(unit)), splat(Format::scale(unit)));
  }
  template <int c>
  static U8x64 weights(const uint8_t* unit) {
    U8x64 w[2];
    Format::template halves<c / 2>(unit, w);
    return w[c % 2];
  }
};

struct Q2_K : GroupsOf16<Q2_K> {
  static constexpr DType kType = DType::Q2_K;
  static constexpr int kBytes = sizeof(BlockQ2_K), kZero = 0, kPairSums = 4;
  static constexpr Mins kMins = Mins::kFloats;
  static I16x16 integers(const uint8_t* unit) { return low_nibbles_to_i16(unit); }
  static float scale(const uint8_t* unit) { return half_to_float(load_u16(unit + 80)); }
  static F32x16 mins(const uint8_t* unit) {
    return mul(to_f32(high_nibbles_to_i16(unit)), splat(half_to_float(load_u16(unit + 82))));
  }
  template <int h>
  static void halves(const uint8_t* unit, U8x64 (&w)[2]) {
    w[0] = two_bits_at<0, 0>(unit + 16 + 32 * h);
    w[1] = two_bits_at<0, 4>(unit + 16 + 32 * h);
  }
};

struct Q3_K : GroupsOf16<Q3_K> {
  static constexpr DType kType = DType::Q3_K;
  static constexpr int kBytes = sizeof(BlockQ3_K), kZero = 4, kPairSums = 4;
  static constexpr Mins kMins = Mins::kNone;
  // unpack_scales_k3 with eight scales side by side.
  static I16x16 integers(const uint8_t* unit) {
    const uint64_t low = load_u32(unit + 96) | uint64_t{load_u32(unit + 100)} << 32;
    const uint64_t top = load_u32(unit + 104), high = top | top >> 2 << 32;
    constexpr uint64_t kOnes = 0x0101010101010101;
    const uint64_t six_bits[2] = {(low & 15 * kOnes) | (high & 3 * kOnes) << 4,
                                  (low >> 4 & 15 * kOnes) | (high >> 4 & 3 * kOnes) << 4};
    int8_t scales[16];
    for (int half = 0; half < 2; ++half) {
      // Less 32, without borrowing from the byte above.
      const uint64_t less = ((six_bits[half] | 128 * kOnes) - 32 * kOnes) ^ 128 * kOnes;
      __builtin_memcpy(scales + 8 * half, &less, 8);
    }
    return bytes_to_i16(scales);
  }
  static float scale(const uint8_t* unit) { return half_to_float(load_u16(unit + 108)); }
  template <int h>
  static void halves(const uint8_t* unit, U8x64 (&w)[2]) {
    w[0] = two_bits_at<0, 0>(unit + 32 + 32 * h) | bits_at<2, 4 * h, 4 * h + 1>(unit);
    w[1] = two_bits_at<0, 4>(unit + 32 + 32 * h) | bits_at<2, 4 * h + 2, 4 * h + 3>(unit);
  }
};

struct Q6_K : GroupsOf16<Q6_K> {
  static constexpr DType kType = DType::Q6_K;
  static constexpr int kBytes = sizeof(BlockQ6_K), kZero = 32;
  static constexpr int kPairSums = 2;  // 2 * 2 * 63 * 127 = 32004
  static constexpr Mins kMins = Mins::kNone;
  static I16x16 integers(const uint8_t* unit) {
    return bytes_to_i16(reinterpret_cast<const int8_t*>(unit + 192));
  }
  static float scale(const uint8_t* unit) { return half_to_float(load_u16(unit + 208)); }
  template <int h>
  static void halves(const uint8_t* unit, U8x64 (&w)[2]) {
    const U8x64 both = load_once(unit + 64 * h);
    w[0] = low_nibbles(both) | two_bits_at<4, 0>(unit + 128 + 32 * h);
    w[1] = high_nibbles(both) | two_bits_at<4, 4>(unit + 128 + 32 * h);
  }
  static constexpr int kNibbleRun = 16;
  template <int h>
  static U8x64 nibble_line(const uint8_t* unit) {
    return load(unit + 64 * h);
  }
  static U8x64 high_line(const uint8_t* unit) { return load(unit + 128); }
  template <int h, int q, int nibble>
  static U8x64 high_bits(const U8x64 (&line)[16]) {
    return moved_bits<2, 4 * nibble + q / 8 * 2, 4>(line[8 * h + q % 8]);
  }
  static void scale_columns(const uint8_t* const (&units)[16], float (&scales)[16][16]) {
    U8x64 m[4];
    columns4(units, 192, m);
    const F32x16 d = halves_of_rows(units, 208);
    unrolled<16>([&]<int g>() __attribute__((always_inline)) {
      store(scales[g], mul(byte_of_words<g % 4, true>(m[g / 4]), d));
    });
  }
};

struct IQ4_XS {
  static constexpr DType kType = DType::IQ4_XS;
  static constexpr int kBlock = 256, kBytes = sizeof(BlockIQ4_XS), kGroup = 32, kZero = 0;
  static constexpr int kMost = 127;
  static constexpr bool kSigned = true, kIntegerScales = false;
  static constexpr Mins kMins = Mins::kNone;
  static F32x16 scales(const uint8_t* unit) {
    return mul(six_bits(load_u32(unit + 4), load_u16(unit + 2)),
               splat(half_to_float(load_u16(unit))));
  }
  template <int c>
  static I8x64 weights(const uint8_t* unit) {
    return look_up(kCodesIq4, nibbles16(unit + 8 + 32 * c, unit + 24 + 32 * c));
  }
  static constexpr int kNibbleRun = 4;
  template <int h>
  static U8x64 nibble_line(const uint8_t* unit) {
    return load(unit + 8 + 64 * h);
  }
  static I8x64 codes(U8x64 nibbles) { return look_up(kCodesIq4, nibbles); }
};

struct IQ3_S {
  static constexpr DType kType = DType::IQ3_S;
  static constexpr int kBlock = 256, kBytes = sizeof(BlockIQ3_S), kGroup = 32, kZero = 0;
  static constexpr int kMost = 15;
  static constexpr bool kSigned = true, kIntegerScales = false;
  static constexpr Mins kMins = Mins::kNone;
  static F32x16 scales(const uint8_t* unit) {
    // d times 1 + 2 n, from n - 32; all of it exact.
    const float d = half_to_float(load_u16(unit));
    return fma(six_bits(load_u32(unit + 106), 0), splat(2 * d), halves(65 * d, 0));
  }
  template <int c>
  static I8x64 weights(const uint8_t* unit) {
    uint64_t signs;
    __builtin_memcpy(&signs, unit + 74 + 8 * c, 8);
    return negate_where(
        signs, look_up4(kCodebookIq3S.values, unit + 2 + 16 * c, load_u16(unit + 66 + 2 * c)));
  }
};

}  // namespace
}  // namespace issun::kernels
