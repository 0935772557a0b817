// The formats with blocks of 32 weights. What a format has to have: formats.inl.
#pragma once

#include "kernels/formats.inl"
#include "tensor/codebooks.h"

namespace issun::kernels {
namespace {

// The binary16 number at `first` in each of the eight blocks of a unit, zeros above.
template <int kBytes>
inline F32x16 halves_of_blocks(const uint8_t* first) {
  return halves_apart<kBytes>(first);
}

// The binary16 number at `first` in each of sixteen rows.
inline F32x16 halves_of_rows(const uint8_t* const (&rows)[16], int first) {
  uint16_t d[16];
  for (int i = 0; i < 16; ++i) d[i] = load_u16(rows[i] + first);
  return load_f16(d);
}

// 64 weights of two blocks whose nibbles begin at `first`.
template <int kBytes, int c>
inline U8x64 nibbles_of_blocks(const uint8_t* first) {
  return nibbles16(first + 2 * c * kBytes, first + (2 * c + 1) * kBytes);
}

// The nibbles of four blocks as they lie there.
template <int kBytes, int h>
inline U8x64 nibble_line_of_blocks(const uint8_t* first) {
  const uint8_t* block = first + 4 * h * kBytes;
  return join(block, block + kBytes, block + 2 * kBytes, block + 3 * kBytes);
}

// Their fifth bits, 32 a block from `first`.
template <int kBytes, int c>
inline U8x64 fifth_bits_of_blocks(const uint8_t* first) {
  const uint64_t low = load_u32(first + 2 * c * kBytes);
  return bytes_where(low | uint64_t{load_u32(first + (2 * c + 1) * kBytes)} << 32, 16);
}

struct Blocks32 {
  static constexpr int kBlock = 32, kGroup = 32, kZero = 0;
  static constexpr int kScaleAt = 0;  // in a block; kMinAt where there are mins: what is added
  static constexpr bool kIntegerScales = false;
  static constexpr Mins kMins = Mins::kNone;
  // For caches. Where the bytes or nibbles of a block begin, unless it also has bits elsewhere: 0.
  static constexpr int kCodesAt = 0;
  // Whether the scale is that of the largest number, and so of either sign; else it is not
  // negative.
  static constexpr bool kSignedScale = false;
};

struct Q8_0 : Blocks32 {
  static constexpr DType kType = DType::Q8_0;
  static constexpr int kBytes = 34, kCodesAt = 2, kMost = 128;
  static constexpr bool kSigned = true;
  static F32x16 scales(const uint8_t* unit) { return halves_of_blocks<kBytes>(unit + kScaleAt); }
  template <int c>
  static I8x64 weights(const uint8_t* unit) {
    const auto* q = reinterpret_cast<const int8_t*>(unit + kCodesAt);
    return join(q + 2 * c * kBytes, q + (2 * c + 1) * kBytes);
  }
};

struct Q4_0 : Blocks32 {
  static constexpr DType kType = DType::Q4_0;
  static constexpr int kBytes = 18, kZero = 8, kCodesAt = 2;
  static constexpr int kPairSums = 8;  // 8 * 2 * 15 * 127 = 30480
  static constexpr bool kSigned = false, kSignedScale = true;
  static F32x16 scales(const uint8_t* unit) { return halves_of_blocks<kBytes>(unit + kScaleAt); }
  template <int c>
  static U8x64 weights(const uint8_t* unit) {
    return nibbles_of_blocks<kBytes, c>(unit + kCodesAt);
  }
  static constexpr int kNibbleRun = 4;
  template <int h>
  static U8x64 nibble_line(const uint8_t* unit) {
    return nibble_line_of_blocks<kBytes, h>(unit + kCodesAt);
  }
};

struct Q5_0 : Blocks32 {
  static constexpr DType kType = DType::Q5_0;
  static constexpr int kBytes = 22, kZero = 16;
  static constexpr int kPairSums = 4;  // 4 * 2 * 31 * 127 = 31496
  static constexpr bool kSigned = false, kSignedScale = true;
  static F32x16 scales(const uint8_t* unit) { return halves_of_blocks<kBytes>(unit + kScaleAt); }
  template <int c>
  static U8x64 weights(const uint8_t* unit) {
    return nibbles_of_blocks<kBytes, c>(unit + 6) | fifth_bits_of_blocks<kBytes, c>(unit + 2);
  }
};

// Q4_1 and Q5_1, which add what others subtract. They share the loops of panels.
struct WithMinimum : Blocks32 {
  static constexpr int kPairSums = 4;
  static constexpr bool kSigned = false;
  static constexpr Mins kMins = Mins::kFloats;
  static constexpr int kMinAt = 2;
};

struct Q4_1 : WithMinimum {
  static constexpr DType kType = DType::Q4_1;
  static constexpr int kBytes = 20, kCodesAt = 4;
  static F32x16 scales(const uint8_t* unit) { return halves_of_blocks<kBytes>(unit + kScaleAt); }
  static F32x16 mins(const uint8_t* unit) {
    return mul(halves_of_blocks<kBytes>(unit + kMinAt), splat(-1.0f));
  }
  template <int c>
  static U8x64 weights(const uint8_t* unit) {
    return nibbles_of_blocks<kBytes, c>(unit + kCodesAt);
  }
  static constexpr int kNibbleRun = 4;
  template <int h>
  static U8x64 nibble_line(const uint8_t* unit) {
    return nibble_line_of_blocks<kBytes, h>(unit + kCodesAt);
  }
};

struct Q5_1 : WithMinimum {
  static constexpr DType kType = DType::Q5_1;
  static constexpr int kBytes = 24;
  static F32x16 scales(const uint8_t* unit) { return halves_of_blocks<kBytes>(unit + kScaleAt); }
  static F32x16 mins(const uint8_t* unit) {
    return mul(halves_of_blocks<kBytes>(unit + kMinAt), splat(-1.0f));
  }
  template <int c>
  static U8x64 weights(const uint8_t* unit) {
    return nibbles_of_blocks<kBytes, c>(unit + 8) | fifth_bits_of_blocks<kBytes, c>(unit + 4);
  }
};

struct IQ4_NL : Blocks32 {
  static constexpr DType kType = DType::IQ4_NL;
  static constexpr int kBytes = 18, kCodesAt = 2, kMost = 127;
  static constexpr bool kSigned = true, kSignedScale = true;
  static F32x16 scales(const uint8_t* unit) { return halves_of_blocks<kBytes>(unit + kScaleAt); }
  template <int c>
  static I8x64 weights(const uint8_t* unit) {
    return look_up(kCodesIq4, nibbles_of_blocks<kBytes, c>(unit + kCodesAt));
  }
  static constexpr int kNibbleRun = 4;
  template <int h>
  static U8x64 nibble_line(const uint8_t* unit) {
    return nibble_line_of_blocks<kBytes, h>(unit + kCodesAt);
  }
  static I8x64 codes(U8x64 nibbles) { return look_up(kCodesIq4, nibbles); }
};

// The codes of MXFP4 with 16 for zero: unsigned weights are the faster ones in panels.
struct Fp4Above16 {
  int8_t codes[16];
};
constexpr Fp4Above16 kFp4Above16 = [] {
  Fp4Above16 table{};
  for (int i = 0; i < 16; ++i) table.codes[i] = static_cast<int8_t>(kCodesFp4[i] + 16);
  return table;
}();

struct MXFP4 : Blocks32 {
  static constexpr DType kType = DType::MXFP4;
  static constexpr int kBytes = 17, kZero = 16, kPairSums = 4;
  static constexpr bool kSigned = false;
  static F32x16 scales(const uint8_t* unit) {
    float d[8];
    for (int b = 0; b < 8; ++b) d[b] = half_e8m0(unit[b * kBytes]);
    return load_first8(d);
  }
  template <int c>
  static U8x64 weights(const uint8_t* unit) {
    return codes(nibbles_of_blocks<kBytes, c>(unit + 1));
  }
  static constexpr int kNibbleRun = 4;
  template <int h>
  static U8x64 nibble_line(const uint8_t* unit) {
    return nibble_line_of_blocks<kBytes, h>(unit + 1);
  }
  static U8x64 codes(U8x64 nibbles) { return as_unsigned(look_up(kFp4Above16.codes, nibbles)); }
};

}  // namespace
}  // namespace issun::kernels
