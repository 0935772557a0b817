#include "tensor/encode_plain.h"

#include <algorithm>
#include <cmath>

#include "tensor/codebooks.h"
#include "tensor/extreme.h"
#include "tensor/half.h"

namespace issun {

namespace {

// The extreme M maps to -zero exactly, which is why d is M / -zero with its sign. Gives d.
float encode_around(const float* values, int zero, int8_t* codes) {
  const float d = extreme_of(values, 32) / static_cast<float>(-zero);
  const float inverse = d != 0 ? 1 / d : 0;
  // x * inverse lies in [-zero, zero], so that the cast truncates a number from 0.5 to 2 zero +
  // 0.5; NaN counts as zero.
  const float middle = static_cast<float>(zero) + 0.5f;
  for (int i = 0; i < 32; ++i) {
    const float q = values[i] * inverse + middle;
    const bool sound = q >= 0 && q <= middle + static_cast<float>(zero);
    codes[i] = static_cast<int8_t>(sound ? std::min(2 * zero - 1, static_cast<int>(q)) : zero);
  }
  return d;
}

struct Line {
  float d, m;
};

// The least value maps to 0, the greatest to `highest`.
Line encode_from(const float* values, int highest, int8_t* codes) {
  float low = values[0], high = values[0];
  for (int i = 1; i < 32; ++i) {
    low = std::min(low, values[i]);
    high = std::max(high, values[i]);
  }
  low += 0.0f, high += 0.0f;  // no minus zero
  const float d = (high - low) / static_cast<float>(highest);
  const float inverse = d != 0 ? 1 / d : 0;
  for (int i = 0; i < 32; ++i) {
    const float q = (values[i] - low) * inverse + 0.5f;
    const bool sound = q >= 0 && q <= static_cast<float>(highest + 1);
    codes[i] = static_cast<int8_t>(sound ? std::min(highest, static_cast<int>(q)) : 0);
  }
  return {d, low};
}

}  // namespace

void encode(const float* values, BlockQ4_0* block) {
  int8_t codes[32];
  block->d = f32_to_f16(encode_around(values, 8, codes));
  pack_nibbles(codes, block->nibbles);
}

void encode(const float* values, BlockQ5_0* block) {
  int8_t codes[32];
  block->d = f32_to_f16(encode_around(values, 16, codes));
  pack_nibbles(codes, block->nibbles);
  pack_fifth_bits(codes, block->high);
}

void encode(const float* values, BlockQ4_1* block) {
  int8_t codes[32];
  const Line line = encode_from(values, 15, codes);
  block->d = f32_to_f16(line.d);
  block->m = f32_to_f16(line.m);
  pack_nibbles(codes, block->nibbles);
}

void encode(const float* values, BlockQ5_1* block) {
  int8_t codes[32];
  const Line line = encode_from(values, 31, codes);
  block->d = f32_to_f16(line.d);
  block->m = f32_to_f16(line.m);
  pack_nibbles(codes, block->nibbles);
  pack_fifth_bits(codes, block->high);
}

void encode(const float* values, BlockIQ4_NL* block) {
  const float first = extreme_of(values, 32) / static_cast<float>(kCodesIq4[0]);
  const float inverse = first != 0 ? 1 / first : 0;
  int8_t codes[32];
  float xq = 0, qq = 0;
  for (int i = 0; i < 32; ++i) {
    const float x = values[i] * inverse;
    int code = 0;
    while (code < 15 && x >= middle_iq4(code)) ++code;
    codes[i] = static_cast<int8_t>(code);
    const float weight = values[i] * values[i], q = kCodesIq4[code];
    xq += weight * q * values[i];
    qq += weight * q * q;
  }
  block->d = f32_to_f16(qq > 0 ? xq / qq : 0);
  pack_nibbles(codes, block->nibbles);
}

void encode(const float* values, BlockQ8_0* block) {
  float largest = 0;
  for (int i = 0; i < 32; ++i) largest = std::max(largest, std::fabs(values[i]));
  const float d = largest / 127;
  const float inverse = d != 0 ? 1 / d : 0;
  block->d = f32_to_f16(d);
  for (int i = 0; i < 32; ++i) {
    const float q = std::round(values[i] * inverse);
    block->q[i] = q >= -127 && q <= 127 ? static_cast<int8_t>(q) : int8_t{0};
  }
}

}  // namespace issun
