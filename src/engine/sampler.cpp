#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace issun::engine {

namespace {
// Sorted by logit, then by token: the order never depends on the sorting algorithm.
constexpr auto kBetter = [](const auto& a, const auto& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
};
}  // namespace

Result<void> check(const SamplerOptions& o) {
  const auto in_range = [](const char* what, float value, float low, float high) -> Result<void> {
    if (value >= low && value <= high) return {};
    return fail("{}: expected a number from {} to {}, found {}", what, low, high, value);
  };
  TRY(in_range("temperature", o.temperature, 0, 100));
  TRY(in_range("top_p", o.top_p, 0, 1));
  TRY(in_range("min_p", o.min_p, 0, 1));
  TRY(in_range("repeat_penalty", o.repeat_penalty, 0.01f, 100));
  if (o.top_k < 0) return fail("top_k: expected 0 or more, found {}", o.top_k);
  if (o.repeat_last_n < -1)
    return fail("repeat_last_n: expected -1 or more, found {}", o.repeat_last_n);
  return {};
}

Sampler::Sampler(const SamplerOptions& options, int vocabulary_size)
    : options_(options),
      candidates_(static_cast<size_t>(vocabulary_size)),
      penalised_(static_cast<size_t>(vocabulary_size)),
      state_(options.seed) {}

int32_t Sampler::sample(std::span<const float> logits, std::span<const int32_t> history) {
  const bool penalise_any = options_.repeat_penalty != 1.0f && options_.repeat_last_n != 0;
  if (options_.temperature == 0 && !penalise_any) return most_likely(logits);
  candidates_.resize(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    const float logit = std::isnan(logits[i]) ? -std::numeric_limits<float>::infinity() : logits[i];
    candidates_[i] = {logit, static_cast<int32_t>(i)};
  }
  if (penalise_any) penalise(history);
  if (options_.temperature == 0)
    return std::min_element(candidates_.begin(), candidates_.end(), kBetter)->token;
  return draw(keep_min_p(keep_top_p(keep_top_k())));
}

void Sampler::penalise(std::span<const int32_t> history) {
  if (options_.repeat_last_n > 0 && history.size() > static_cast<size_t>(options_.repeat_last_n)) {
    history = history.last(static_cast<size_t>(options_.repeat_last_n));
  }
  for (const int32_t token : history) {
    const size_t i = static_cast<size_t>(token);
    if (penalised_[i]) continue;
    penalised_[i] = true;
    float& logit = candidates_[i].logit;
    logit = logit > 0 ? logit / options_.repeat_penalty : logit * options_.repeat_penalty;
  }
  for (const int32_t token : history) penalised_[static_cast<size_t>(token)] = false;
}

// Afterwards the kept candidates are sorted, best first.
size_t Sampler::keep_top_k() {
  const size_t all = candidates_.size();
  const size_t kept =
      options_.top_k == 0 ? all : std::min(all, static_cast<size_t>(options_.top_k));
  std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(kept),
                    candidates_.end(), kBetter);
  return kept;
}

size_t Sampler::keep_top_p(size_t count) const {
  if (options_.top_p >= 1) return count;
  double total = 0;
  for (size_t i = 0; i < count; ++i)
    total += std::exp(double{candidates_[i].logit} - candidates_[0].logit);
  double reached = 0;
  for (size_t i = 0; i < count; ++i) {
    reached += std::exp(double{candidates_[i].logit} - candidates_[0].logit) / total;
    if (reached >= options_.top_p) return i + 1;
  }
  return count;
}

size_t Sampler::keep_min_p(size_t count) const {
  if (options_.min_p <= 0) return count;
  const double lowest = candidates_[0].logit + std::log(double{options_.min_p});
  size_t kept = 1;
  while (kept < count && candidates_[kept].logit >= lowest) ++kept;
  return kept;
}

int32_t Sampler::draw(size_t count) {
  const auto weight = [&](size_t i) {
    return std::exp((double{candidates_[i].logit} - candidates_[0].logit) / options_.temperature);
  };
  double total = 0;
  for (size_t i = 0; i < count; ++i) total += weight(i);
  double left = uniform() * total;
  for (size_t i = 0; i + 1 < count; ++i) {
    left -= weight(i);
    if (left < 0) return candidates_[i].token;
  }
  // All logits were minus infinity when the weights are not numbers: the first is as good as any.
  return std::isfinite(total) ? candidates_[count - 1].token : candidates_[0].token;
}

// splitmix64 (Steele, Lea, Flood 2014): 53 random bits in [0, 1).
double Sampler::uniform() {
  uint64_t z = state_ += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

int32_t most_likely(std::span<const float> logits) {
  size_t best = 0;
  for (size_t i = 1; i < logits.size(); ++i) {
    if (logits[i] > logits[best] || (std::isnan(logits[best]) && !std::isnan(logits[i]))) best = i;
  }
  return static_cast<int32_t>(best);
}

}  // namespace issun::engine
