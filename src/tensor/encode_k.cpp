#include "tensor/encode_k.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tensor/extreme.h"
#include "tensor/half.h"

namespace issun {

namespace {

// Below this a group counts as zero.
constexpr float kNothing = 1e-15f;

// Round half to even, held within [low, high]; NaN gives low. Not lrint: its result would depend on
// the rounding mode and be undefined for what does not fit.
int nearest(float x, int low, int high) {
  const float limit = 4194303.0f;
  const float held = x >= -limit ? std::min(x, limit) : -limit;
  const float shifted =
      held + 12582912.0f;  // 1.5 * 2^23: the mantissa's low bits are now the integer
  const int rounded = static_cast<int>(__builtin_bit_cast(uint32_t, shifted) & 0x7fffff) - 0x400000;
  return std::clamp(rounded, low, high);
}

struct Affine {
  float scale = 0, min = 0;  // x = scale * q - min, min >= 0
};

struct AffineSearch {
  int largest;        // q in 0..largest
  float first, step;  // tried inverse scales: (first + step * i + largest) / range
  int steps;          // i = 0..steps
};

// Scale and min of 32 values with the least squared error weighted by w: start from plain rounding,
// then for each tried inverse scale round, solve the 2x2 weighted least squares, and keep the best.
// Rounding starts from the best min so far, as in the reference search. codes: the best rounding.
Affine search_affine(const float* x, const float* w, const AffineSearch& search, uint8_t* codes) {
  constexpr int n = 32;
  float low = x[0], high = x[0], sum_w = 0, sum_x = 0;
  for (int i = 0; i < n; ++i) {
    low = std::min(low, x[i]);
    high = std::max(high, x[i]);
    sum_w += w[i];
    sum_x += w[i] * x[i];
  }
  low = std::min(low, 0.0f);
  std::memset(codes, 0, n);
  if (!(high > low)) return {0, -low};

  uint8_t q[n];
  const auto round_all = [&](float inverse) {
    for (int i = 0; i < n; ++i) {
      q[i] = static_cast<uint8_t>(nearest(inverse * (x[i] - low), 0, search.largest));
    }
  };
  const auto error_of = [&](float scale, float min) {
    float error = 0;
    for (int i = 0; i < n; ++i) {
      const float off = scale * static_cast<float>(q[i]) + min - x[i];
      error += w[i] * (off * off);
    }
    return error;
  };

  const float largest = static_cast<float>(search.largest);
  const float plain_inverse = largest / (high - low);
  float best_scale = 1 / plain_inverse;
  round_all(plain_inverse);
  std::memcpy(codes, q, n);
  float best_error = error_of(best_scale, low);
  for (int i = 0; i <= search.steps; ++i) {
    round_all((search.first + search.step * static_cast<float>(i) + largest) / (high - low));
    float sum_q = 0, sum_qq = 0, sum_xq = 0;
    for (int k = 0; k < n; ++k) {
      const float wq = w[k] * static_cast<float>(q[k]);
      sum_q += wq;
      sum_qq += wq * static_cast<float>(q[k]);
      sum_xq += wq * x[k];
    }
    const float determinant = sum_w * sum_qq - sum_q * sum_q;
    if (!(determinant > 0)) continue;
    float scale = (sum_w * sum_xq - sum_x * sum_q) / determinant;
    float min = (sum_qq * sum_x - sum_q * sum_xq) / determinant;
    if (min > 0) {
      min = 0;
      scale = sum_xq / sum_qq;
    }
    const float error = error_of(scale, min);
    if (error < best_error) {
      best_error = error;
      best_scale = scale;
      low = min;
      std::memcpy(codes, q, n);
    }
  }
  return {best_scale, -low};
}

// Scale of 16 values with q in -32..31, x = scale * q: the signed extreme maps to about -32,
// weights are x^2, and the scale is the weighted least squares of the rounding that explains most.
// codes: that rounding, plus 32.
float search_symmetric(const float* x, uint8_t* codes) {
  constexpr int n = 16, largest = 32;
  const float extreme = extreme_of(x, n);
  std::memset(codes, 0, n);
  if (!(std::fabs(extreme) >= kNothing)) return 0;

  float scale = 0, best = 0;
  const auto attempt = [&](float inverse, bool first) {
    float sum_xq = 0, sum_qq = 0;
    uint8_t q[n];
    for (int i = 0; i < n; ++i) {
      const int rounded = nearest(inverse * x[i], -largest, largest - 1);
      const float w = x[i] * x[i];
      sum_xq += w * x[i] * static_cast<float>(rounded);
      sum_qq += w * static_cast<float>(rounded) * static_cast<float>(rounded);
      q[i] = static_cast<uint8_t>(rounded + largest);
    }
    if (!first && !(sum_qq > 0 && sum_xq * sum_xq > best * sum_qq)) return;
    scale = sum_qq > 0 ? sum_xq / sum_qq : 0;
    best = scale * sum_xq;
    std::memcpy(codes, q, n);
  };
  attempt(-largest / extreme, true);
  for (int i = -9; i <= 9; ++i) {
    if (i != 0) attempt(-(largest + 0.1f * static_cast<float>(i)) / extreme, false);
  }
  return scale;
}

// What Q4_K and Q5_K share: scales and mins into the block, the 256 codes into q.
template <class Block>
void encode_affine(const float* x, const AffineSearch& search, Block* block, uint8_t* q) {
  Affine groups[8];
  float largest_scale = 0, largest_min = 0;
  for (int g = 0; g < 8; ++g) {
    const float* values = x + g * 32;
    float sum_squares = 0;
    for (int i = 0; i < 32; ++i) sum_squares += values[i] * values[i];
    const float rms = std::sqrt(sum_squares / 32);
    float weights[32];
    for (int i = 0; i < 32; ++i) weights[i] = rms + std::fabs(values[i]);
    groups[g] = search_affine(values, weights, search, q + g * 32);
    largest_scale = std::max(largest_scale, groups[g].scale);
    largest_min = std::max(largest_min, groups[g].min);
  }

  const float inverse_scale = largest_scale > 0 ? 63 / largest_scale : 0;
  const float inverse_min = largest_min > 0 ? 63 / largest_min : 0;
  uint8_t scales[8], mins[8];
  for (int g = 0; g < 8; ++g) {
    scales[g] = static_cast<uint8_t>(nearest(inverse_scale * groups[g].scale, 0, 63));
    mins[g] = static_cast<uint8_t>(nearest(inverse_min * groups[g].min, 0, 63));
  }
  pack_scales_k4(scales, mins, block->scales);
  block->d = f32_to_f16(largest_scale / 63);
  block->dmin = f32_to_f16(largest_min / 63);

  for (int g = 0; g < 8; ++g) {
    const float d = f16_to_f32(block->d) * static_cast<float>(scales[g]);
    const float min = f16_to_f32(block->dmin) * static_cast<float>(mins[g]);
    if (d == 0) continue;  // nothing to round against: the search's codes stay, without effect
    for (int i = g * 32; i < g * 32 + 32; ++i) {
      q[i] = static_cast<uint8_t>(nearest((x[i] + min) / d, 0, search.largest));
    }
  }
}

}  // namespace

void encode(const float* values, BlockQ4_K* block) {
  uint8_t q[256];
  encode_affine(values, {.largest = 15, .first = -1, .step = 0.1f, .steps = 20}, block, q);
  for (int i = 0; i < 128; ++i) {
    const uint8_t* pair = q + i / 32 * 64 + i % 32;
    block->nibbles[i] = static_cast<uint8_t>(pair[0] | pair[32] << 4);
  }
}

void encode(const float* values, BlockQ5_K* block) {
  uint8_t q[256];
  encode_affine(values, {.largest = 31, .first = -0.5f, .step = 0.1f, .steps = 15}, block, q);
  for (int i = 0; i < 128; ++i) {
    const uint8_t* pair = q + i / 32 * 64 + i % 32;
    block->nibbles[i] = static_cast<uint8_t>((pair[0] & 15) | (pair[32] & 15) << 4);
  }
  std::memset(block->high, 0, sizeof block->high);
  for (int i = 0; i < 256; ++i) block->high[i % 32] |= static_cast<uint8_t>(q[i] >> 4 << (i / 32));
}

void encode(const float* values, BlockQ6_K* block) {
  std::memset(block, 0, sizeof *block);
  uint8_t q[256];
  float scales[16];
  for (int g = 0; g < 16; ++g) scales[g] = search_symmetric(values + g * 16, q + g * 16);
  const float extreme = extreme_of(scales, 16);
  if (!(std::fabs(extreme) >= kNothing)) return;

  const float inverse = -128 / extreme;
  block->d = f32_to_f16(1 / inverse);
  for (int g = 0; g < 16; ++g) {
    block->scales[g] = static_cast<int8_t>(nearest(inverse * scales[g], -128, 127));
  }
  for (int i = 0; i < 256; ++i) {
    const float d = f16_to_f32(block->d) * static_cast<float>(block->scales[i / 16]);
    if (d != 0) q[i] = static_cast<uint8_t>(nearest(values[i] / d, -32, 31) + 32);
    const int half = i / 128, quarter = i / 32 % 4, l = i % 32;
    block->low[half * 64 + quarter % 2 * 32 + l] |=
        static_cast<uint8_t>((q[i] & 15) << (quarter / 2 * 4));
    block->high[half * 32 + l] |= static_cast<uint8_t>(q[i] >> 4 << (quarter * 2));
  }
}

}  // namespace issun
