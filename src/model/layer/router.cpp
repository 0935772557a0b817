#include <algorithm>
#include <cmath>

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

// The best expert that is not among those chosen before it.
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

}  // namespace

void choose_experts(const MixtureConfig& config, const float* bias, std::span<float> scores,
                    std::span<int32_t> chosen, std::span<float> shares) {
  if (config.router == Router::Softmax) softmax(scores);
  if (config.router == Router::Sigmoid) {
    for (float& score : scores) score = 1 / (1 + std::exp(-score));
  }
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
