// Weights as floats, exactly: what the reference codec gives, bit for bit.
#pragma once

#include "kernels/formats.inl"

namespace issun::kernels {
namespace {

// 256 weights of a unit. Products are rounded before differences, as the codec has it.
template <class Format>
inline void decode_unit(const uint8_t* unit, float* out) {
  constexpr int kGroups = 64 / Format::kGroup;
  alignas(64) float scale[16], min[16];
  store(scale, Format::scales(unit));
  if constexpr (Format::kMins == Mins::kFloats) store(min, Format::mins(unit));
  unrolled<4>([&]<int c>() __attribute__((always_inline)) {
    alignas(64) uint8_t q[64];
    store(q, Format::template weights<c>(unit));
    for (int i = 0; i < 4; ++i) {
      const int group = kGroups * c + 16 * i / Format::kGroup;
      F32x16 w = Format::kSigned ? bytes_to_f32(reinterpret_cast<const int8_t*>(q) + 16 * i)
                                 : bytes_to_f32(q + 16 * i);
      if constexpr (Format::kZero != 0) w = sub(w, splat(static_cast<float>(Format::kZero)));
      w = mul(w, splat(scale[group]));
      if constexpr (Format::kMins == Mins::kFloats) w = sub(w, splat(min[group]));
      if constexpr (Format::kMins == Mins::kIntegers) w = sub(w, splat(scale[8 + group]));
      store(out + 64 * c + 16 * i, w);
    }
  });
}

template <class Format>
constexpr bool kIsFloat = Format::kBlock == 1;
template <class Format>
constexpr bool kIsUnpacked = requires {
  &Format::unpack;
};

template <class Format>
inline void decode_floats(const uint8_t* from, int columns, float* out) {
  int c = 0;
  for (; c + 16 <= columns; c += 16) store(out + c, Format::load16(from + c * Format::kBytes));
  if (c < columns) {
    uint8_t tail[16 * Format::kBytes] = {};
    __builtin_memcpy(tail, from + c * Format::kBytes,
                     static_cast<size_t>((columns - c) * Format::kBytes));
    store_first(out + c, Format::load16(tail), columns - c);
  }
}

// `columns` weights from a place in a row where a unit starts; columns <= 256 unless the format is
// a float. out has room for 256.
template <class Format>
void decode_some(const uint8_t* from, int columns, float* out) {
  if constexpr (kIsFloat<Format>) {
    decode_floats<Format>(from, columns, out);
  } else if constexpr (kIsUnpacked<Format>) {
    UnpackedUnit unpacked;
    unpack_some<Format>(from, columns, &unpacked);
    const auto* unit = reinterpret_cast<const uint8_t*>(&unpacked);
    if (columns == kUnit) return decode_unit<Unpacked>(unit, out);
    alignas(64) float whole[kUnit];
    decode_unit<Unpacked>(unit, whole);
    __builtin_memcpy(out, whole, static_cast<size_t>(columns) * sizeof(float));
  } else if (columns == kUnit) {
    decode_unit<Format>(from, out);
  } else {
    alignas(64) float whole[kUnit];
    const TailUnit<Format> tail(from, columns);
    decode_unit<Format>(tail.bytes, whole);
    __builtin_memcpy(out, whole, static_cast<size_t>(columns) * sizeof(float));
  }
}

// A format to the loops that all of them share.
struct Decoder {
  void (*decode)(const uint8_t* from, int columns, float* out);  // decode_some
  int unit_bytes;
};
template <class Format>
constexpr Decoder kDecoder = {decode_some<Format>, kUnitBytes<Format>};

template <class Format>
void decode_row(const void* row, int columns, float* out) {
  const auto* from = static_cast<const uint8_t*>(row);
  for (int c = 0; c < columns; c += kUnit, from += kUnitBytes<Format>)
    decode_some<Format>(from, columns - c < kUnit ? columns - c : kUnit, out + c);
}

}  // namespace
}  // namespace issun::kernels
