#include "measure/bench_profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>

#include "base/clock.h"
#include "engine/sampler.h"

namespace issun::measure {

namespace {

constexpr int kChoices = 33;
constexpr float kDeviation = 3;  // of logits, about what small models have

// That took time, longest first.
std::vector<model::Step> steps_of(const model::Profile& passes) {
  std::vector<model::Step> steps;
  for (size_t s = 0; s < model::kSteps; ++s) {
    const auto step = static_cast<model::Step>(s);
    if (passes.seconds(step) > 0) steps.push_back(step);
  }
  std::sort(steps.begin(), steps.end(),
            [&](auto a, auto b) { return passes.seconds(a) > passes.seconds(b); });
  return steps;
}

struct Shares {
  double products = 0, attention = 0;
  double rest() const { return 1 - products - attention; }
};

Shares shares_of(const model::Profile& passes) {
  Shares shares;
  const double all = passes.seconds();
  for (const model::Step step : steps_of(passes)) {
    if (model::is_product(step)) shares.products += passes.seconds(step) / all;
  }
  shares.attention = passes.seconds(model::Step::Attention) / all;
  return shares;
}

}  // namespace

double seconds_to_choose(int vocabulary_size, int history) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, kDeviation);
  std::vector<float> logits(static_cast<size_t>(vocabulary_size));
  for (float& logit : logits) logit = normal(random);
  std::vector<int32_t> tokens(static_cast<size_t>(history));
  for (int32_t& token : tokens)
    token = static_cast<int32_t>(random() % static_cast<unsigned>(vocabulary_size));
  engine::Sampler sampler({}, vocabulary_size);
  std::vector<double> seconds;
  for (int i = 0; i < kChoices; ++i) {
    const double began = seconds_now();
    sampler.sample(logits, tokens);
    seconds.push_back(seconds_now() - began);
  }
  return quantile(std::move(seconds), 0.5);
}

std::string profile_table(const CaseProfile& profile, const BenchTimes& times) {
  const double tokens = static_cast<double>(times.bench_case.tokens) * times.bench_case.sequences *
                        static_cast<double>(times.seconds.size());
  const double all = profile.passes.seconds();
  std::string table;
  for (const model::Step step : steps_of(profile.passes)) {
    const double seconds = profile.passes.seconds(step);
    table += fmt::format("    {:<24} {:>5.1f} % {:>12.3f} us a token\n", model::name(step),
                         100 * seconds / all, 1e6 * seconds / tokens);
  }
  const Shares shares = shares_of(profile.passes);
  table +=
      fmt::format("    products with weights {:.1f} %, attention {:.1f} %, the rest {:.1f} %\n",
                  100 * shares.products, 100 * shares.attention, 100 * shares.rest());
  if (profile.choosing_seconds > 0) {
    table += fmt::format(
        "    choosing a token (default sampler, beside the rates above): {:.3f} us, {:.1f} % of "
        "the "
        "above\n",
        1e6 * profile.choosing_seconds, 100 * profile.choosing_seconds * tokens / all);
  }
  return table;
}

nlohmann::ordered_json to_json(const CaseProfile& profile) {
  nlohmann::ordered_json steps = nlohmann::ordered_json::object();
  for (const model::Step step : steps_of(profile.passes))
    steps[model::name(step)] = profile.passes.seconds(step);
  const Shares shares = shares_of(profile.passes);
  return {{"passes", profile.passes.passes()},    {"seconds", std::move(steps)},
          {"share_of_products", shares.products}, {"share_of_attention", shares.attention},
          {"share_of_the_rest", shares.rest()},   {"seconds_to_choose", profile.choosing_seconds}};
}

}  // namespace issun::measure
