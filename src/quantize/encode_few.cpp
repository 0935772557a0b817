// Formats of very few codes, and of floats of four bits.
#include <array>

#include "quantize/codes.h"
#include "quantize/encode_blocks.h"

namespace issun::quantize {

namespace {

// How many steps the largest value is tried to be: with three or four codes most blocks are best
// served when it is cut off. Each a tenth more than the one before, and both signs.
constexpr int kTriesOfSign = 32;
constexpr std::array<float, 2 * kTriesOfSign> kFewTries = [] {
  std::array<float, 2 * kTriesOfSign> tries{};
  float steps = 0.75f;
  for (size_t i = 0; i < kTriesOfSign; ++i, steps *= 1.13f) {
    tries[2 * i] = steps;
    tries[2 * i + 1] = -steps;
  }
  return tries;
}();

float fit_few(const Part& part, const Group& group, const Range& codes) {
  const float most = extreme(group);
  if (most == 0) return 0;
  auto inverses = kFewTries;
  for (float& inverse : inverses) inverse /= most;
  return part.fit(group, codes, inverses);
}

// -1, 0 and 1. The extreme of weights that are three values already is 1 exactly.
uint16_t fit_three(const Part& part, int8_t* codes) {
  const Group group = part.group(0, 256);
  const Range range = {-1, 1};
  const uint16_t d = held_f16(std::fabs(fit_few(part, group, range)));
  part.round(group, range, f16_to_f32(d), codes);
  return d;
}

// The least error over a few scales that the format can have about `first`; returns which.
template <class ScaleOf>
int best_scale(const Part& part, const Group& group, int first, int last, ScaleOf&& scale_of) {
  int best = first;
  float least = 0;
  for (int e = first; e <= last; ++e) {
    const float found = part.error(group, kLevelsFp4, scale_of(e));
    if (e > first && !(found < least)) continue;
    least = found;
    best = e;
  }
  return best;
}

}  // namespace

// The weighted mean of the magnitudes is the least squares.
void encode(const Part& part, BlockQ1_0* block) {
  double sum = 0, weights = 0;
  std::memset(block->bits, 0, sizeof block->bits);
  for (int i = 0; i < 128; ++i) {
    sum += static_cast<double>(part.weights[i]) * std::fabs(part.x[i]);
    weights += part.weights[i];
    if (part.x[i] >= 0) block->bits[i / 8] |= static_cast<uint8_t>(1 << (i % 8));
  }
  block->d = held_f16(weights > 0 ? sum / weights : 0);
}

void encode(const Part& part, BlockQ2_0* block) {
  const Group group = part.group(0, 64);
  const Range range = {-1, 2};
  int8_t codes[64];
  block->d = held_f16(fit_few(part, group, range));
  part.round(group, range, f16_to_f32(block->d), codes);
  set_codes(codes, block);
}

void encode(const Part& part, BlockTQ1_0* block) {
  int8_t codes[256];
  block->d = fit_three(part, codes);
  set_codes(codes, block);
}

void encode(const Part& part, BlockTQ2_0* block) {
  int8_t codes[256];
  block->d = fit_three(part, codes);
  set_codes(codes, block);
}

// Powers of two: the one for which the largest value needs no cutting off, and two below.
void encode(const Part& part, BlockMXFP4* block) {
  const Group group = part.group(0, 32);
  int exponent = 0;
  std::frexp(extreme(group), &exponent);  // |x| < 2^exponent; half_e8m0(e) * 12 reaches it
  const int highest = std::clamp(exponent + 125, 0, 254);
  const int e = best_scale(part, group, std::max(0, highest - 2), highest,
                           [](int tried) { return half_e8m0(static_cast<uint8_t>(tried)); });
  block->e = static_cast<uint8_t>(extreme(group) == 0 ? 0 : e);
  int8_t codes[32];
  part.round(group, kLevelsFp4, half_e8m0(block->e), codes);
  set_codes(codes, block);
}

// Eight scales to each power of two.
void encode(const Part& part, BlockNVFP4* block) {
  int8_t codes[64];
  constexpr int kBelow = 5, kAbove = 3, kMost = 0x7e;
  for (int g = 0; g < 4; ++g) {
    const Group group = part.group(16 * g, 16);
    const float plain = std::fabs(extreme(group)) / 12;
    int nearest = 0;
    while (nearest < kMost && half_ue4m3(static_cast<uint8_t>(nearest + 1)) <= plain) ++nearest;
    const int e =
        best_scale(part, group, std::max(0, nearest - kBelow), std::min(kMost, nearest + kAbove),
                   [](int tried) { return half_ue4m3(static_cast<uint8_t>(tried)); });
    block->scales[g] = static_cast<uint8_t>(e);
    part.round(group, kLevelsFp4, half_ue4m3(block->scales[g]), codes + 16 * g);
  }
  set_codes(codes, block);
}

}  // namespace issun::quantize
