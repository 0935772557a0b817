#include "model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/memory.h"
#include "model/weights.h"

namespace issun::model {

namespace {

// The pair index whose wavelength fits `rotations` times into the original context (YaRN,
// arXiv 2309.00071, section 3.2).
double pair_of_rotations(const RopeConfig& config, double rotations) {
  return config.dimensions *
         std::log(config.original_context / (rotations * 2 * std::numbers::pi)) /
         (2 * std::log(config.base));
}

double magnitude(double factor, double multiplier) {
  return factor <= 1 ? 1.0 : 0.1 * multiplier * std::log(factor) + 1.0;
}

}  // namespace

Result<Rope> Rope::create(const RopeConfig& config, std::span<const float> factors) {
  Rope rope;
  rope.magnitude_ = config.attention_factor;
  const int pairs = config.pairing == RopePairing::None ? 0 : config.dimensions / 2;
  const bool yarn = config.scaling == RopeScaling::Yarn;
  double low = 0, high = 0;
  if (yarn) {
    low = std::max(0.0, std::floor(pair_of_rotations(config, config.beta_fast)));
    high =
        std::min(config.dimensions - 1.0, std::ceil(pair_of_rotations(config, config.beta_slow)));
    rope.magnitude_ *=
        magnitude(config.factor, 1) /
        (config.log_multiplier != 0 ? magnitude(config.factor, config.log_multiplier) : 1.0);
  }
  for (int i = 0; i < pairs; ++i) {
    double frequency = std::pow(config.base, -2.0 * i / config.dimensions);
    if (!factors.empty()) frequency /= factors[static_cast<size_t>(i)];
    const double stretched = frequency / config.factor;
    if (yarn) {
      const double kept = 1.0 - std::clamp((i - low) / std::max(0.001, high - low), 0.0, 1.0);
      frequency = stretched * (1.0 - kept) + frequency * kept;
    } else if (config.scaling == RopeScaling::Linear) {
      frequency = stretched;
    }
    if (!std::isfinite(frequency) || frequency <= 0) {
      return fail("rope: expected a positive frequency for pair {}, found {}", i, frequency);
    }
    rope.frequencies_.push_back(frequency);
  }
  if (!std::isfinite(rope.magnitude_) || rope.magnitude_ <= 0) {
    return fail("rope: expected a positive magnitude, found {}", rope.magnitude_);
  }
  return rope;
}

void Rope::fill(int position, float* cos, float* sin) const {
  for (size_t i = 0; i < frequencies_.size(); ++i) {
    const double angle = position * frequencies_[i];
    cos[i] = static_cast<float>(std::cos(angle) * magnitude_);
    sin[i] = static_cast<float>(std::sin(angle) * magnitude_);
  }
}

std::span<const float> rope_factors(const RopeConfig& rope, const Weights& weights,
                                    int64_t context) {
  constexpr int64_t kContextUnit = 256;  // the engine that the files were made for rounds it up
  if (!rope.file_factors) return {};
  const bool is_long = static_cast<double>(round_up(context, kContextUnit)) > rope.original_context;
  const Tensor& factors = weights.rope_factors ? weights.rope_factors
                          : is_long            ? weights.long_rope_factors
                                               : weights.short_rope_factors;
  if (!factors) return {};
  return {factors.floats(), static_cast<size_t>(factors.columns())};
}

}  // namespace issun::model
