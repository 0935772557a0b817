#include <algorithm>
#include <cmath>
#include <limits>

#include "model/config.h"
#include "model/layer/mixture.h"

namespace issun::model {

namespace {

void softmax(std::span<float> x) {
  const float most = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (float& v : x) sum += v = std::exp(v - most);
  for (float& v : x) v = static_cast<float>(v / sum);
}

// The best that is not among those chosen before it.
int32_t best_of(std::span<const float> scores, const float* bias, std::span<const int32_t> before) {
  int32_t best = -1;
  float highest = 0;
  for (int32_t e = 0; e < static_cast<int32_t>(scores.size()); ++e) {
    if (std::find(before.begin(), before.end(), e) != before.end()) continue;
    const float score = scores[static_cast<size_t>(e)] + (bias != nullptr ? bias[e] : 0);
    if (best < 0 || score > highest) {
      best = e;
      highest = score;
    }
  }
  return best;
}

// The sum of the two best of a group, whose biases begin at `bias`.
float group_score(std::span<const float> scores, const float* bias) {
  constexpr float kNone = -std::numeric_limits<float>::infinity();
  float best = kNone, second = kNone;
  for (size_t e = 0; e < scores.size(); ++e) {
    const float score = scores[e] + (bias != nullptr ? bias[e] : 0);
    second = std::max(second, std::min(best, score));
    best = std::max(best, score);
  }
  return best + second;
}

// Takes the experts of all but the best groups out of the choice. A tie goes to the group that
// stands first.
void leave_best_groups(const MixtureConfig& config, const float* bias, std::span<float> scores) {
  const size_t size = scores.size() / static_cast<size_t>(config.groups);
  float group_scores[kMostExpertGroups];
  int32_t best[kMostExpertGroups];
  const std::span<float> groups(group_scores, static_cast<size_t>(config.groups));
  const std::span<int32_t> kept(best, static_cast<size_t>(config.groups_used));
  for (size_t g = 0; g < groups.size(); ++g) {
    groups[g] =
        group_score(scores.subspan(g * size, size), bias != nullptr ? bias + g * size : nullptr);
  }
  for (size_t k = 0; k < kept.size(); ++k) kept[k] = best_of(groups, nullptr, kept.first(k));
  for (size_t g = 0; g < groups.size(); ++g) {
    if (std::find(kept.begin(), kept.end(), static_cast<int32_t>(g)) != kept.end()) continue;
    const std::span<float> others = scores.subspan(g * size, size);
    std::fill(others.begin(), others.end(), -std::numeric_limits<float>::infinity());
  }
}

}  // namespace

void choose_experts(const MixtureConfig& config, const float* bias, std::span<float> scores,
                    std::span<int32_t> chosen, std::span<float> shares) {
  if (config.router == Router::Softmax) softmax(scores);
  if (config.router == Router::Sigmoid) {
    for (float& score : scores) score = 1 / (1 + std::exp(-score));
  }
  if (config.groups > 1) leave_best_groups(config, bias, scores);
  for (size_t k = 0; k < chosen.size(); ++k) {
    chosen[k] = best_of(scores, bias, chosen.first(k));
    shares[k] = scores[static_cast<size_t>(chosen[k])];
  }
  if (config.router == Router::SoftmaxOfChosen) softmax(shares);
  if (config.renormalise) {
    constexpr float kSmallestSum = 6.103515625e-5f;  // 2^-14, as the reference clamps it
    float sum = 0;
    for (const float share : shares) sum += share;
    for (float& share : shares) share /= std::max(sum, kSmallestSum);
  }
  for (float& share : shares) share *= static_cast<float>(config.scale);
}

}  // namespace issun::model
