#include "tensor/encode_plain.h"

#include <algorithm>
#include <cmath>

#include "tensor/half.h"

namespace issun {

// The value of largest magnitude M maps to -8 exactly, which is why d is M / -8 with its sign.
void encode(const float* values, BlockQ4_0* block) {
  float extreme = 0;
  for (int i = 0; i < 32; ++i) {
    if (std::fabs(values[i]) > std::fabs(extreme)) extreme = values[i];
  }
  const float d = extreme / -8;
  const float inverse = d != 0 ? 1 / d : 0;
  block->d = f32_to_f16(d);
  // x * inverse lies in [-8, 8], so that the cast truncates a number from 0.5 to 16.5; NaN counts
  // as zero.
  const auto code = [&](float x) {
    const float q = x * inverse + 8.5f;
    return q >= 0 && q <= 16.5f ? std::min(15, static_cast<int>(q)) : 8;
  };
  for (int i = 0; i < 16; ++i) {
    block->nibbles[i] = static_cast<uint8_t>(code(values[i]) | code(values[i + 16]) << 4);
  }
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
