#include "quantize/lab/codebook.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "base/check.h"

namespace issun::quantize::lab {

SortedValues::SortedValues(std::span<const float> values, std::span<const float> weights) {
  const size_t n = values.size();
  CHECK_THAT(weights.empty() || weights.size() == n);
  if (weights.empty()) {
    values_.assign(values.begin(), values.end());
    std::sort(values_.begin(), values_.end());
  } else {
    std::vector<uint32_t> order(n);
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
      return values[a] != values[b] ? values[a] < values[b] : a < b;
    });
    for (const uint32_t i : order) {
      values_.push_back(values[i]);
      weights_.push_back(weights[i]);
    }
  }
  weight_.assign(n + 1, 0);
  first_ = second_ = weight_;
  for (size_t i = 0; i < n; ++i) {
    const double w = weight(i), x = values_[i];
    weight_[i + 1] = weight_[i] + w;
    first_[i + 1] = first_[i] + w * x;
    second_[i + 1] = second_[i] + w * x * x;
  }
}

SortedValues::Sums SortedValues::sums(size_t begin, size_t end) const {
  return {weight_[end] - weight_[begin], first_[end] - first_[begin],
          second_[end] - second_[begin]};
}

size_t SortedValues::below(double x) const {
  return static_cast<size_t>(
      std::lower_bound(values_.begin(), values_.end(), x,
                       [](float value, double bound) { return value < bound; }) -
      values_.begin());
}

namespace {

constexpr int kMostRounds = 1000;
constexpr size_t kSeedingValues = 20000;  // that seeds are drawn from

// Evenly spread in [0, 1), the same on every machine.
double uniform(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

// Each further seed with the chance that its squared distance from those before has.
std::vector<double> far_seeds(const SortedValues& sorted, int levels, uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto all = sorted.values();
  const size_t step = (all.size() + kSeedingValues - 1) / kSeedingValues;
  std::vector<double> x, w;
  for (size_t i = step / 2; i < all.size(); i += step) {
    x.push_back(all[i]);
    w.push_back(sorted.weight(i));
  }
  std::vector<double> chances = w, distances(x.size(), INFINITY), seeds;
  while (static_cast<int>(seeds.size()) < levels) {
    const double total = std::accumulate(chances.begin(), chances.end(), 0.0);
    if (!(total > 0)) break;  // every value is a seed already
    double left = uniform(random) * total;
    size_t chosen = 0;
    while (chosen + 1 < x.size() && left >= chances[chosen]) left -= chances[chosen++];
    seeds.push_back(x[chosen]);
    for (size_t i = 0; i < x.size(); ++i) {
      const double d = x[i] - x[chosen];
      distances[i] = std::min(distances[i], d * d);
      chances[i] = w[i] * distances[i];
    }
  }
  std::sort(seeds.begin(), seeds.end());
  return seeds;
}

std::vector<double> even_seeds(const SortedValues& sorted, int levels) {
  const double low = sorted.values().front(), high = sorted.values().back();
  std::vector<double> seeds;
  for (int i = 0; i < levels; ++i) seeds.push_back(low + (high - low) * (i + 0.5) / levels);
  return seeds;
}

// One round: each level to the mean of its cell; cells without values lose their level. Gives the
// sum of squared errors against the new levels.
double improve(const SortedValues& sorted, std::vector<double>* levels) {
  std::vector<double> better;
  double error = 0;
  size_t begin = 0;
  for (size_t k = 0; k < levels->size(); ++k) {
    const size_t end = k + 1 < levels->size() ? sorted.below(((*levels)[k] + (*levels)[k + 1]) / 2)
                                              : sorted.values().size();
    const SortedValues::Sums sums = sorted.sums(begin, std::max(begin, end));
    begin = std::max(begin, end);
    if (!(sums.weight > 0)) continue;
    better.push_back(sums.first / sums.weight);
    error += std::max(0.0, sums.second - sums.first * sums.first / sums.weight);
  }
  *levels = better;
  return error;
}

Codebook climb(const SortedValues& sorted, std::vector<double> levels) {
  double error = INFINITY;
  for (int round = 0; round < kMostRounds; ++round) {
    const double now = improve(sorted, &levels);
    const bool settled = now >= error * (1 - 1e-9);
    error = now;
    if (settled) break;
  }
  const double weight = sorted.sums(0, sorted.values().size()).weight;
  return {{levels.begin(), levels.end()}, weight > 0 ? error / weight : 0};
}

}  // namespace

Codebook lloyd_max(const SortedValues& values, int levels, uint64_t seed) {
  CHECK_THAT(levels >= 1);
  if (values.values().empty()) return {};
  constexpr uint64_t kStarts = 3;
  Codebook best = climb(values, even_seeds(values, levels));
  for (uint64_t start = 0; start < kStarts; ++start) {
    Codebook next = climb(values, far_seeds(values, levels, seed * kStarts + start));
    const bool better = next.mean_square_error < best.mean_square_error || best.levels.empty();
    if (better && !next.levels.empty()) best = std::move(next);
  }
  if (best.levels.empty()) best.levels = {0};  // nothing has weight
  return best;
}

double normal_quantile(double p) {
  CHECK_THAT(p > 0 && p < 1);
  double low = -40, high = 40;
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    (0.5 * std::erfc(-middle / std::sqrt(2.0)) < p ? low : high) = middle;
  }
  return (low + high) / 2;
}

std::vector<float> normal_quantiles(int bits) {
  CHECK_THAT(bits >= 2 && bits <= 8);
  const int half = 1 << (bits - 1);
  // The outermost quantile: between those that leave half a level of 2 half and of 2 half - 1.
  const double outer = 1 - (1.0 / (4 * half) + 1.0 / (4 * half - 2)) / 2;
  const double largest = normal_quantile(outer);
  std::vector<float> levels;
  for (int i = 0; i < half - 1; ++i) {
    const double p = outer + (0.5 - outer) * i / (half - 1);
    levels.push_back(static_cast<float>(-normal_quantile(p) / largest));
  }
  levels.push_back(0);
  for (int i = half - 1; i >= 0; --i) {
    const double p = outer + (0.5 - outer) * i / half;
    levels.push_back(static_cast<float>(normal_quantile(p) / largest));
  }
  return levels;
}

std::vector<float> powers_of_two(int bits) {
  CHECK_THAT(bits >= 2 && bits <= 8);
  const int magnitudes = (1 << (bits - 1)) - 1;
  std::vector<float> levels;
  for (int k = 0; k < magnitudes; ++k) levels.push_back(-std::ldexp(1.0f, -k));
  levels.push_back(0);
  for (int k = magnitudes - 1; k >= 0; --k) levels.push_back(std::ldexp(1.0f, -k));
  return levels;
}

}  // namespace issun::quantize::lab
