#include "engine/sampler.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
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

namespace {

// Pearson's statistic of draws against probabilities, and how many cells it has. Cells that expect
// fewer than 10 draws are counted as one.
struct ChiSquare {
  double statistic = 0;
  int cells = 0;
};
ChiSquare chi_square(const std::map<int32_t, int>& counts, const std::map<int32_t, double>& p,
                     int draws) {
  ChiSquare found;
  double rest_expected = 0, rest_counted = 0;
  const auto add = [&](double counted, double expected) {
    found.statistic += (counted - expected) * (counted - expected) / expected;
    ++found.cells;
  };
  for (const auto& [token, probability] : p) {
    const auto it = counts.find(token);
    const double counted = it == counts.end() ? 0 : it->second;
    if (probability * draws >= 10) {
      add(counted, probability * draws);
    } else {
      rest_expected += probability * draws, rest_counted += counted;
    }
  }
  if (rest_expected > 0) add(rest_counted, rest_expected);
  return found;
}

// What the default steps leave of these logits, from their definitions.
std::map<int32_t, double> by_default_steps(const std::vector<float>& logits,
                                           const SamplerOptions& o) {
  std::vector<Candidate> list;
  for (size_t t = 0; t < logits.size(); ++t) list.push_back({logits[t], static_cast<int32_t>(t)});
  std::sort(list.begin(), list.end(), is_better);
  list.resize(static_cast<size_t>(o.top_k));
  const auto weight = [&](size_t i, double t) {
    return std::exp((double{list[i].logit} - list[0].logit) / t);
  };
  const auto total = [&](double t) {
    double sum = 0;
    for (size_t i = 0; i < list.size(); ++i) sum += weight(i, t);
    return sum;
  };
  double reached = 0;
  size_t count = 0;
  while (reached < o.top_p * total(1)) reached += weight(count++, 1);
  list.resize(count);
  while (weight(list.size() - 1, 1) < o.min_p) list.pop_back();
  std::map<int32_t, double> p;
  for (size_t i = 0; i < list.size(); ++i)
    p[list[i].token] = weight(i, o.temperature) / total(o.temperature);
  return p;
}

}  // namespace

TEST_CASE("Draws by the default steps follow what their definitions leave") {
  constexpr int kVocabulary = 2000, kDraws = 20000;
  std::mt19937 random(11);
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> logits(kVocabulary);
  for (float& logit : logits) logit = normal(random);
  SamplerOptions options;
  options.seed = 12;
  Sampler sampler(options, kVocabulary);
  std::map<int32_t, int> counts;
  for (int i = 0; i < kDraws; ++i) ++counts[sampler.sample(logits, {})];
  const auto expected = by_default_steps(logits, options);
  REQUIRE(expected.size() > 5);
  for (const auto& [token, count] : counts) CHECK(expected.count(token) == 1);
  const ChiSquare found = chi_square(counts, expected, kDraws);
  // Five standard deviations of the statistic above its mean.
  const double freedom = found.cells - 1;
  CHECK(found.statistic < freedom + 5 * std::sqrt(2 * freedom));
}

TEST_CASE("The order of the steps matters and is kept") {
  SamplerOptions options = open_options(2);
  options.temperature = 4;
  options.min_p = 0.3f;
  options.steps = {SamplingStep::MinP, SamplingStep::Temperature};
  CHECK(drawn(options) == std::set<int32_t>{1, 2, 4});
  options.steps = {SamplingStep::Temperature, SamplingStep::MinP};
  CHECK(drawn(options) == std::set<int32_t>{0, 1, 2, 3, 4, 5});  // exp(-4 / 4) = 0.37 of the best
  options.steps = {};                                            // no temperature either
  options.temperature = 0;
  CHECK(drawn(options).size() == 6);
}

TEST_CASE("xtc leaves the best out as often as its probability says") {
  SamplerOptions options = open_options(9);
  options.xtc_threshold = 0.2f;  // two tokens reach it: 0.44 and 0.27
  const auto count_best = [&](float probability) {
    options.xtc_probability = probability;
    Sampler sampler(options, 6);
    int best = 0;
    for (int i = 0; i < 20000; ++i) best += sampler.sample(kLogits, {}) == 1 ? 1 : 0;
    return best / 20000.0;
  };
  double total = 0;
  for (const float logit : kLogits) total += std::exp(double{logit});
  const double p = std::exp(3.0) / total;
  CHECK(count_best(1) == 0);
  CHECK(std::abs(count_best(0.25f) - 0.75 * p) < 0.02);
}

TEST_CASE("Mirostat brings the mean surprise to its target") {
  for (const int version : {1, 2}) {
    CAPTURE(version);
    constexpr int kVocabulary = 1000;
    SamplerOptions options = open_options(4);
    options.mirostat = version;
    options.mirostat_tau = 3;
    std::vector<float> logits;
    for (int rank = 1; rank <= kVocabulary; ++rank)
      logits.push_back(-1.1f * std::log(static_cast<float>(rank)));
    Sampler sampler(options, kVocabulary);
    std::map<int32_t, int> counts;
    double surprise = 0;
    constexpr int kDraws = 4000;
    for (int i = 0; i < kDraws; ++i) ++counts[sampler.sample(logits, {})];
    for (const auto& [token, count] : counts) {
      const double share = count / double{kDraws};
      surprise -= share * std::log2(share);
    }
    CHECK(surprise == doctest::Approx(3).epsilon(0.15));
  }
}

TEST_CASE("A bias makes a token likelier, or impossible") {
  SamplerOptions options;
  options.temperature = 0;
  options.logit_bias = {{5, 10}, {1, kNever}};
  CHECK(Sampler(options, 6).sample(kLogits, {}) == 5);
  options.logit_bias = {{1, kNever}};
  CHECK(Sampler(options, 6).sample(kLogits, {}) == 4);
}

TEST_CASE("The most likely tokens are told with their log-probabilities, before and after") {
  SamplerOptions options = open_options(3);
  options.top_k = 2;
  options.temperature = 0.5f;
  options.n_probs = 3;
  Sampler sampler(options, 6);
  const int32_t token = sampler.sample(kLogits, {});
  double total = 0;
  for (const float logit : kLogits) total += std::exp(double{logit});
  const Probabilities& found = sampler.probabilities();
  CHECK(found.chosen == doctest::Approx(kLogits[static_cast<size_t>(token)] - std::log(total)));
  REQUIRE(found.before.size() == 3);
  CHECK(found.before[0].token == 1);
  CHECK(found.before[0].log_probability == doctest::Approx(3 - std::log(total)));
  CHECK(found.before[2].token == 2);
  REQUIRE(found.after.size() == 2);
  CHECK(found.after[1].token == 4);
  CHECK(found.after[1].log_probability ==
        doctest::Approx(-0.5 / 0.5 - std::log(1 + std::exp(-0.5 / 0.5))));
}

TEST_CASE("Infinite and absent numbers are never passed on to the steps") {
  const float inf = std::numeric_limits<float>::infinity();
  SamplerOptions options;
  options.typical_p = 0.5f;
  options.dynatemp_range = 0.5f;
  Sampler sampler(options, 4);
  CHECK(sampler.sample(std::vector<float>{1, inf, 2, std::nanf("")}, {}) == 1);
  CHECK(sampler.sample(std::vector<float>{kNever, kNever, kNever, kNever}, {}) == 0);
  CHECK(sampler.sample(std::vector<float>{kNever, kNever, 3e38f, kNever}, {}) == 2);
}
