#include "engine/sampler.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>

using namespace issun::engine;

namespace {

const std::vector<float> kLogits = {1.0f, 3.0f, 2.0f, -1.0f, 2.5f, 0.0f};

SamplerOptions open_options(uint64_t seed) {
  SamplerOptions options;
  options.temperature = 1;
  options.top_k = 0;
  options.top_p = 1;
  options.min_p = 0;
  options.seed = seed;
  return options;
}

std::set<int32_t> drawn(const SamplerOptions& options, int times = 3000) {
  Sampler sampler(options, 6);
  std::set<int32_t> tokens;
  for (int i = 0; i < times; ++i) tokens.insert(sampler.sample(kLogits, {}));
  return tokens;
}

}  // namespace

TEST_CASE("Temperature 0 takes the first of the largest, and never what is not a number") {
  SamplerOptions options;
  options.temperature = 0;
  Sampler sampler(options, 6);
  CHECK(sampler.sample(kLogits, {}) == 1);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(most_likely(std::vector<float>{nan, 1, 2, 2, nan}) == 2);
  CHECK(most_likely(std::vector<float>{nan, nan}) == 0);
}

TEST_CASE("Draws follow the probabilities of the softmax") {
  Sampler sampler(open_options(7), 6);
  constexpr int kDraws = 40000;
  std::map<int32_t, int> counts;
  for (int i = 0; i < kDraws; ++i) ++counts[sampler.sample(kLogits, {})];
  double total = 0;
  for (const float logit : kLogits) total += std::exp(double{logit});
  for (int32_t token = 0; token < 6; ++token) {
    const double p = std::exp(double{kLogits[static_cast<size_t>(token)]}) / total;
    // four standard deviations of a binomial share
    CHECK(std::abs(counts[token] / double{kDraws} - p) < 4 * std::sqrt(p * (1 - p) / kDraws));
  }
}

TEST_CASE("top_k, top_p and min_p keep exactly the tokens they name") {
  SamplerOptions options = open_options(1);
  options.top_k = 3;
  CHECK(drawn(options) == std::set<int32_t>{1, 2, 4});
  options = open_options(1);
  options.top_p = 0.5f;  // the best has 0.44, the second takes it past one half
  CHECK(drawn(options) == std::set<int32_t>{1, 4});
  options = open_options(1);
  options.min_p = 0.3f;  // exp(-1) = 0.37 of the best, exp(-2) = 0.14
  CHECK(drawn(options) == std::set<int32_t>{1, 2, 4});
}

TEST_CASE("The same seed draws the same tokens, another seed others") {
  const auto sequence = [](uint64_t seed) {
    Sampler sampler(open_options(seed), 6);
    std::vector<int32_t> tokens;
    for (int i = 0; i < 50; ++i) tokens.push_back(sampler.sample(kLogits, {}));
    return tokens;
  };
  CHECK(sequence(3) == sequence(3));
  CHECK(sequence(3) != sequence(4));
}

TEST_CASE(
    "The repeat penalty makes recent tokens less likely, positive or negative, and only recent "
    "ones") {
  SamplerOptions options;
  options.temperature = 0;
  options.repeat_penalty = 2;
  options.repeat_last_n = 2;
  Sampler sampler(options, 6);
  CHECK(sampler.sample(kLogits, std::vector<int32_t>{1}) == 4);        // 3 / 2 < 2.5
  CHECK(sampler.sample(kLogits, std::vector<int32_t>{1, 0, 5}) == 1);  // too long ago
  CHECK(sampler.sample(std::vector<float>{-1, -1.5f}, std::vector<int32_t>{0}) ==
        1);  // -1 * 2 < -1.5
}

TEST_CASE("Of a past longer than the vocabulary all recent tokens are penalised, the newest too") {
  SamplerOptions options;
  options.temperature = 0;
  options.repeat_penalty = 2;
  options.repeat_last_n = -1;
  Sampler sampler(options, 6);
  CHECK(sampler.sample(kLogits, std::vector<int32_t>{0, 0, 0, 0, 0, 0, 0, 0, 1, 4}) == 2);
}

TEST_CASE("Logits of minus infinity are never drawn, and all of them do no harm") {
  const float never = -std::numeric_limits<float>::infinity();
  Sampler sampler(open_options(5), 3);
  for (int i = 0; i < 200; ++i) CHECK(sampler.sample(std::vector<float>{never, 1, never}, {}) == 1);
  const int32_t token = sampler.sample(std::vector<float>{never, never, never}, {});
  CHECK(token >= 0);
  CHECK(token < 3);
}
