// The rare formats: their units are unpacked into one common form, which all loops of theirs read.
// What would be eleven more copies of every loop is eleven short functions.
//
// A format here has kType, kBlock and kBytes, as those of formats.inl, and unpack(unit, out).
#pragma once

#include "kernels/formats.inl"
#include "tensor/blocks.h"
#include "tensor/codebooks.h"

namespace issun::kernels {
namespace {

// 256 weights. As bytes it is a unit of the format below.
struct alignas(64) UnpackedUnit {
  int8_t q[256];
  float scale[16];  // of each 16
};

struct Unpacked {
  static constexpr int kBlock = 256, kBytes = sizeof(UnpackedUnit), kGroup = 16, kZero = 0;
  static constexpr int kMost = 62;  // in the entries of IQ3_XXS
  static constexpr bool kSigned = true, kIntegerScales = false;
  static constexpr Mins kMins = Mins::kNone;
  static F32x16 scales(const uint8_t* unit) {
    return load(reinterpret_cast<const float*>(unit + 256));
  }
  template <int c>
  static I8x64 weights(const uint8_t* unit) {
    return load(reinterpret_cast<const int8_t*>(unit + 64 * c));
  }
};

// The scale of a unit, or of a group of 32.
inline void set_scales(float scale, int first, int last, UnpackedUnit* out) {
  for (int g = first; g < last; ++g) out->scale[g] = scale;
}

// Minus where one of 256 bits is set.
inline void set_signs(const uint8_t* signs, UnpackedUnit* out) {
  for (int c = 0; c < 4; ++c) {
    uint64_t bits;
    __builtin_memcpy(&bits, signs + 8 * c, 8);
    store(out->q + 64 * c, negate_where(bits, load(out->q + 64 * c)));
  }
}

struct Q1_0 {
  static constexpr DType kType = DType::Q1_0;
  static constexpr int kBlock = 128, kBytes = sizeof(BlockQ1_0);
  static void unpack(const uint8_t* unit, UnpackedUnit* out) {
    for (int b = 0; b < 2; ++b, unit += kBytes) {
      set_scales(half_to_float(load_u16(unit)), 8 * b, 8 * b + 8, out);
      for (int c = 0; c < 2; ++c) {
        uint64_t bits;
        __builtin_memcpy(&bits, unit + 2 + 8 * c, 8);
        store(out->q + 128 * b + 64 * c, negate_where(~bits, as_signed(splat_bytes(1))));
      }
    }
  }
};

struct Q2_0 {
  static constexpr DType kType = DType::Q2_0;
  static constexpr int kBlock = 64, kBytes = sizeof(BlockQ2_0);
  static void unpack(const uint8_t* unit, UnpackedUnit* out) {
    for (int b = 0; b < 4; ++b, unit += kBytes) {
      set_scales(half_to_float(load_u16(unit)), 4 * b, 4 * b + 4, out);
      for (int i = 0; i < 64; ++i)
        out->q[64 * b + i] = static_cast<int8_t>((unit[2 + i / 4] >> (i % 4 * 2) & 3) - 1);
    }
  }
};

struct TQ1_0 {
  static constexpr DType kType = DType::TQ1_0;
  static constexpr int kBlock = 256, kBytes = sizeof(BlockTQ1_0);
  template <int count, int digits>
  static void unpack_bytes(const uint8_t* bytes, int8_t* q) {
    uint8_t left[count];
    __builtin_memcpy(left, bytes, count);
    for (int n = 0; n < digits; ++n)
      for (int i = 0; i < count; ++i) *q++ = static_cast<int8_t>(next_trit(&left[i]) - 1);
  }
  static void unpack(const uint8_t* unit, UnpackedUnit* out) {
    set_scales(half_to_float(load_u16(unit + 52)), 0, 16, out);
    unpack_bytes<32, 5>(unit, out->q);
    unpack_bytes<16, 5>(unit + 32, out->q + 160);
    unpack_bytes<4, 4>(unit + 48, out->q + 240);
  }
};

struct TQ2_0 {
  static constexpr DType kType = DType::TQ2_0;
  static constexpr int kBlock = 256, kBytes = sizeof(BlockTQ2_0);
  static void unpack(const uint8_t* unit, UnpackedUnit* out) {
    set_scales(half_to_float(load_u16(unit + 64)), 0, 16, out);
    for (int h = 0; h < 2; ++h) {
      store(out->q + 128 * h, plus<-1>(two_bits_at<0, 0>(unit + 32 * h)));
      store(out->q + 128 * h + 64, plus<-1>(two_bits_at<0, 4>(unit + 32 * h)));
    }
  }
};

struct NVFP4 {
  static constexpr DType kType = DType::NVFP4;
  static constexpr int kBlock = 64, kBytes = sizeof(BlockNVFP4);
  static void unpack(const uint8_t* unit, UnpackedUnit* out) {
    for (int b = 0; b < 4; ++b, unit += kBytes)
      for (int g = 4 * b; g < 4 * b + 4; ++g) {
        out->scale[g] = half_ue4m3(unit[g % 4]);
        for (int i = 0; i < 8; ++i) {
          const int pair = unit[4 + g % 4 * 8 + i];
          out->q[16 * g + i] = kCodesFp4[pair & 15];
          out->q[16 * g + 8 + i] = kCodesFp4[pair >> 4];
        }
      }
  }
};

// An entry of eight values.
inline void set_eight(const int8_t (&entry)[8], int8_t* q) { __builtin_memcpy(q, entry, 8); }

// The four scales or signs of a group of 32 in one word, as IQ2_XXS and IQ3_XXS have them.
inline float packed_scale(uint32_t word) { return 0.5f + static_cast<float>(word >> 28); }
inline void unpack_signs(uint32_t word, uint8_t* signs) {
  for (int j = 0; j < 4; ++j) signs[j] = even_signs(word >> 7 * j & 127);
}

// Scales of IQ2_XS and IQ2_S: a nibble for each 16 weights.
inline void set_scales_iq2(float d, const uint8_t* nibbles, UnpackedUnit* out) {
  for (int g = 0; g < 16; ++g) {
    const int nibble = nibbles[g / 2] >> (g % 2 * 4) & 15;
    out->scale[g] = d * (0.5f + static_cast<float>(nibble)) * 0.25f;
  }
}

struct IQ2_XXS {
  static constexpr DType kType = DType::IQ2_XXS;
  static constexpr int kBlock = 256, kBytes = sizeof(BlockIQ2_XXS);
  static void unpack(const uint8_t* unit, UnpackedUnit* out) {
    const float d = half_to_float(load_u16(unit));
    uint8_t signs[32];
    for (int g = 0; g < 8; ++g) {
      const uint8_t* places = unit + 2 + 8 * g;
      const uint32_t word = load_u32(places + 4);
      set_scales(d * packed_scale(word) * 0.25f, 2 * g, 2 * g + 2, out);
      unpack_signs(word, signs + 4 * g);
      for (int j = 0; j < 4; ++j)
        set_eight(kCodebookIq2Xxs.values[places[j]], out->q + 32 * g + 8 * j);
    }
    set_signs(signs, out);
  }
};

struct IQ2_XS {
  static constexpr DType kType = DType::IQ2_XS;
  static constexpr int kBlock = 256, kBytes = sizeof(BlockIQ2_XS);
  static void unpack(const uint8_t* unit, UnpackedUnit* out) {
    set_scales_iq2(half_to_float(load_u16(unit)), unit + 66, out);
    uint8_t signs[32];
    for (int j = 0; j < 32; ++j) {
      const uint32_t quarter = load_u16(unit + 2 + 2 * j);
      signs[j] = even_signs(quarter >> 9);
      set_eight(kCodebookIq2Xs.values[quarter & 511], out->q + 8 * j);
    }
    set_signs(signs, out);
  }
};

struct IQ2_S {
  static constexpr DType kType = DType::IQ2_S;
  static constexpr int kBlock = 256, kBytes = sizeof(BlockIQ2_S);
  static void unpack(const uint8_t* unit, UnpackedUnit* out) {
    set_scales_iq2(half_to_float(load_u16(unit)), unit + 74, out);
    for (int j = 0; j < 32; ++j) {
      const int place = unit[2 + j] | (unit[66 + j / 4] >> (j % 4 * 2) & 3) << 8;
      set_eight(kCodebookIq2S.values[place], out->q + 8 * j);
    }
    set_signs(unit + 34, out);
  }
};

struct IQ3_XXS {
  static constexpr DType kType = DType::IQ3_XXS;
  static constexpr int kBlock = 256, kBytes = sizeof(BlockIQ3_XXS);
  static void unpack(const uint8_t* unit, UnpackedUnit* out) {
    const float d = half_to_float(load_u16(unit));
    uint8_t signs[32];
    for (int g = 0; g < 8; ++g) {
      const uint32_t word = load_u32(unit + 66 + 4 * g);
      set_scales(d * packed_scale(word) * 0.5f, 2 * g, 2 * g + 2, out);
      unpack_signs(word, signs + 4 * g);
    }
    for (int c = 0; c < 4; ++c)
      store(out->q + 64 * c, look_up4(kCodebookIq3Xxs.values, unit + 2 + 16 * c, 0));
    set_signs(signs, out);
  }
};

// IQ1_S and IQ1_M in eighths, so that what is added to their values is 1 or -1.
inline void set_eighths(const int8_t (&entry)[8], bool below, int8_t* q) {
  for (int i = 0; i < 8; ++i) q[i] = static_cast<int8_t>(8 * entry[i] + (below ? -1 : 1));
}

struct IQ1_S {
  static constexpr DType kType = DType::IQ1_S;
  static constexpr int kBlock = 256, kBytes = sizeof(BlockIQ1_S);
  static void unpack(const uint8_t* unit, UnpackedUnit* out) {
    const float d = half_to_float(load_u16(unit)) * 0.125f;
    for (int g = 0; g < 8; ++g) {
      const int high = load_u16(unit + 34 + 2 * g);
      set_scales(d * static_cast<float>(1 + 2 * (high >> 12 & 7)), 2 * g, 2 * g + 2, out);
      for (int j = 0; j < 4; ++j) {
        const int place = unit[2 + 4 * g + j] | (high >> 3 * j & 7) << 8;
        set_eighths(kCodebookIq1.values[place], (high & 0x8000) != 0, out->q + 32 * g + 8 * j);
      }
    }
  }
};

struct IQ1_M {
  static constexpr DType kType = DType::IQ1_M;
  static constexpr int kBlock = 256, kBytes = sizeof(BlockIQ1_M);
  static void unpack(const uint8_t* unit, UnpackedUnit* out) {
    uint16_t scales[4];
    __builtin_memcpy(scales, unit + 48, 8);
    const float d = half_to_float(scale_iq1_m(scales)) * 0.125f;
    for (int g = 0; g < 16; ++g) {
      const int scale = scales[g / 4] >> (g % 4 * 3) & 7;
      out->scale[g] = d * static_cast<float>(1 + 2 * scale);
      for (int j = 2 * g; j < 2 * g + 2; ++j) {
        const int high = unit[32 + j / 2] >> (j % 2 * 4) & 15;
        set_eighths(kCodebookIq1.values[unit[j] | (high & 7) << 8], (high & 8) != 0,
                    out->q + 8 * j);
      }
    }
  }
};

// The first `columns` weights from a unit of the file on, zeros if that is the end of a row.
template <class Format>
void unpack_some(const uint8_t* unit, int columns, UnpackedUnit* out) {
  if (Format::kBlock == kUnit || columns >= kUnit) {
    Format::unpack(unit, out);
  } else {
    const TailUnit<Format> tail(unit, columns);
    Format::unpack(tail.bytes, out);
  }
}

// A format to the loops that all of them share.
struct Unpacker {
  void (*unpack)(const uint8_t* unit, int columns, UnpackedUnit* out);
  int unit_bytes;
};
template <class Format>
constexpr Unpacker kUnpacker = {unpack_some<Format>, kUnitBytes<Format>};

}  // namespace
}  // namespace issun::kernels
