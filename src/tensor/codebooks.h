// The codebooks of the formats whose codes are places in a table. Plain arrays: kernels use them
// too, so that what is inline here is always inlined.
#pragma once

#include <cstdint>

namespace issun {

// kEntries times kValues neighbouring weights.
template <int kEntries, int kValues>
struct Codebook {
  alignas(8) int8_t values[kEntries][kValues];
};

extern const Codebook<256, 8> kCodebookIq2Xxs;  // magnitudes 8, 25, 43
extern const Codebook<512, 8> kCodebookIq2Xs;
extern const Codebook<1024, 8> kCodebookIq2S;
extern const Codebook<256, 4> kCodebookIq3Xxs;  // magnitudes 4, 12, ... 52, 62
extern const Codebook<512, 4> kCodebookIq3S;    // magnitudes 1, 3, ... 15
extern const Codebook<2048, 8> kCodebookIq1;    // -1, 0, 1

// The values of a nibble of IQ4_NL and IQ4_XS.
constexpr int8_t kCodesIq4[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                  1,    13,   25,  38,  53,  69,  89,  113};
// Between the values of nibbles n and n + 1: what lies there is as near to both.
__attribute__((always_inline)) constexpr float middle_iq4(int n) {
  return static_cast<float>(kCodesIq4[n] + kCodesIq4[n + 1]) / 2;
}
// Twice the values of a 4-bit float (E2M1).
constexpr int8_t kCodesFp4[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// Eight sign bits of the seven that are stored: the number of minus signs is even.
__attribute__((always_inline)) constexpr uint8_t even_signs(uint32_t code) {
  return static_cast<uint8_t>(code | static_cast<uint32_t>(__builtin_parity(code)) << 7);
}

// Half the scale that an 8-bit exponent (E8M0) stands for: 2^(e - 128). 255, which is NaN by the
// standard, counts as an exponent like any other.
__attribute__((always_inline)) constexpr float half_e8m0(uint8_t e) {
  return __builtin_bit_cast(float, e < 2 ? 0x200000u << e : (e - 1u) << 23);
}

// Half the scale that an unsigned 8-bit float (UE4M3) stands for; what is NaN by the standard
// counts as zero.
__attribute__((always_inline)) constexpr float half_ue4m3(uint8_t bits) {
  const uint32_t exponent = bits >> 3 & 15, mantissa = bits & 7;
  if (bits == 0x7f) return 0;
  if (exponent == 0) return static_cast<float>(mantissa) * 0x1p-10f;
  return __builtin_bit_cast(float, (exponent + 119) << 23 | mantissa << 20);
}

}  // namespace issun
