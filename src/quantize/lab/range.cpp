#include "quantize/lab/range.h"

#include <algorithm>
#include <cmath>

#include "quantize/lab/grid.h"
#include "quantize/lab/moments.h"

namespace issun::quantize::lab {

namespace {

constexpr int kBins = 2048;

std::vector<float> magnitudes(std::span<const float> values) {
  std::vector<float> result;
  result.reserve(values.size());
  for (const float x : values) result.push_back(std::fabs(x));
  return result;
}

// D(P || Q) of the first `kept` bins: P has all that is cut off in its last bin; Q are `levels`
// steps, each spread over those of its bins in which P has something. Infinite where Q has
// nothing but P has.
double divergence(const std::vector<int64_t>& bins, int kept, int levels, double beyond) {
  double inside = 0;
  for (int i = 0; i < kept; ++i) inside += static_cast<double>(bins[static_cast<size_t>(i)]);
  if (!(inside > 0)) return INFINITY;
  const double all = inside + beyond;
  double sum = 0;
  for (int level = 0; level < levels; ++level) {
    const int begin = static_cast<int>(int64_t{level} * kept / levels);
    const int end = static_cast<int>(int64_t{level + 1} * kept / levels);
    double mass = 0, used = 0;
    for (int i = begin; i < end; ++i) {
      mass += static_cast<double>(bins[static_cast<size_t>(i)]);
      used += bins[static_cast<size_t>(i)] > 0;
    }
    for (int i = begin; i < end; ++i) {
      const auto count = static_cast<double>(bins[static_cast<size_t>(i)]);
      const double p = (count + (i == kept - 1 ? beyond : 0)) / all;
      if (p == 0) continue;
      if (count == 0) return INFINITY;
      sum += p * std::log(p / (mass / used / inside));
    }
  }
  return sum;
}

}  // namespace

double percentile_clip(std::span<const float> values, double share) {
  return quantile(magnitudes(values), share);
}

double kl_clip(std::span<const float> values, int levels) {
  const double largest = largest_magnitude(values);
  if (!(largest > 0)) return 0;
  const std::vector<int64_t> bins = histogram(magnitudes(values), 0, largest, kBins);
  const int steps = std::max(1, levels / 2);
  double beyond = 0, best = INFINITY;
  int best_kept = kBins;
  for (int kept = kBins; kept >= steps; --kept) {
    const double now = divergence(bins, kept, steps, beyond);
    if (now < best) {
      best = now;
      best_kept = kept;
    }
    beyond += static_cast<double>(bins[static_cast<size_t>(kept - 1)]);
  }
  return largest * best_kept / kBins;
}

namespace {

ClipError clip_error(std::span<const float> values, std::span<const float> weights, int levels,
                     double clip) {
  ClipError error{clip, 0, 0};
  const Grid grid = symmetric(clip, levels);
  double weight = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double w = weights.empty() ? 1 : weights[i];
    const double off = static_cast<double>(values[i]) - grid.nearest(values[i]);
    (std::fabs(values[i]) > clip ? error.clipping : error.rounding) += w * off * off;
    weight += w;
  }
  if (weight > 0) {
    error.rounding /= weight;
    error.clipping /= weight;
  }
  return error;
}

}  // namespace

std::vector<ClipError> clip_errors(std::span<const float> values, std::span<const float> weights,
                                   int levels, int steps) {
  const double largest = largest_magnitude(values);
  std::vector<ClipError> result;
  for (int step = 1; step <= steps; ++step)
    result.push_back(clip_error(values, weights, levels, largest * step / steps));
  return result;
}

double mse_clip(std::span<const float> values, std::span<const float> weights, int levels,
                int steps) {
  constexpr int kFiner = 10;  // on either side
  const double largest = largest_magnitude(values);
  if (!(largest > 0)) return 0;
  const std::vector<ClipError> errors = clip_errors(values, weights, levels, steps);
  ClipError best = *std::min_element(
      errors.begin(), errors.end(),
      [](const ClipError& a, const ClipError& b) { return a.total() < b.total(); });
  const double middle = best.clip;
  for (int i = 1 - kFiner; i < kFiner; ++i) {
    const double clip = std::min(largest, middle + largest / steps * i / kFiner);
    const ClipError error = clip_error(values, weights, levels, clip);
    if (error.total() < best.total()) best = error;
  }
  return best.clip;
}

}  // namespace issun::quantize::lab
