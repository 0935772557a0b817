#include "engine/sampling/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/quote.h"

namespace issun::engine {

namespace {

struct StepName {
  SamplingStep step;
  std::string_view name;
};
// The first name of each step is the one that is shown.
constexpr StepName kStepNames[] = {
    {SamplingStep::Penalties, "penalties"},
    {SamplingStep::Dry, "dry"},
    {SamplingStep::TopNSigma, "top_n_sigma"},
    {SamplingStep::TopNSigma, "top-n-sigma"},
    {SamplingStep::TopNSigma, "top_nsigma"},
    {SamplingStep::TopK, "top_k"},
    {SamplingStep::TopK, "top-k"},
    {SamplingStep::TypicalP, "typ_p"},
    {SamplingStep::TypicalP, "typ-p"},
    {SamplingStep::TypicalP, "typical_p"},
    {SamplingStep::TypicalP, "typical-p"},
    {SamplingStep::TypicalP, "typical"},
    {SamplingStep::TopP, "top_p"},
    {SamplingStep::TopP, "top-p"},
    {SamplingStep::TopP, "nucleus"},
    {SamplingStep::MinP, "min_p"},
    {SamplingStep::MinP, "min-p"},
    {SamplingStep::Xtc, "xtc"},
    {SamplingStep::Temperature, "temperature"},
    {SamplingStep::Temperature, "temp"},
};

struct FloatRange {
  const char* name;
  float SamplerOptions::*field;
  float low, high;
};
constexpr FloatRange kFloatRanges[] = {
    {"temperature", &SamplerOptions::temperature, 0, 100},
    {"dynatemp_range", &SamplerOptions::dynatemp_range, 0, 100},
    {"dynatemp_exponent", &SamplerOptions::dynatemp_exponent, 0, 100},
    {"top_p", &SamplerOptions::top_p, 0, 1},
    {"min_p", &SamplerOptions::min_p, 0, 1},
    {"typical_p", &SamplerOptions::typical_p, 0, 1},
    {"top_n_sigma", &SamplerOptions::top_n_sigma, -1, 1000},
    {"xtc_probability", &SamplerOptions::xtc_probability, 0, 1},
    {"xtc_threshold", &SamplerOptions::xtc_threshold, 0, 1},
    {"repeat_penalty", &SamplerOptions::repeat_penalty, 0.01f, 100},
    {"presence_penalty", &SamplerOptions::presence_penalty, -100, 100},
    {"frequency_penalty", &SamplerOptions::frequency_penalty, -100, 100},
    {"dry_multiplier", &SamplerOptions::dry_multiplier, 0, 100},
    {"dry_base", &SamplerOptions::dry_base, 1, 100},
    {"mirostat_tau", &SamplerOptions::mirostat_tau, 0, 100},
    {"mirostat_eta", &SamplerOptions::mirostat_eta, 0, 1},
};

struct IntRange {
  const char* name;
  int SamplerOptions::*field;
  int low, high;
};
constexpr float kLargestBias = 1e9f;
constexpr int kMost = std::numeric_limits<int>::max();
constexpr IntRange kIntRanges[] = {
    {"top_k", &SamplerOptions::top_k, 0, kMost},
    {"min_keep", &SamplerOptions::min_keep, 0, kMost},
    {"repeat_last_n", &SamplerOptions::repeat_last_n, -1, kMost},
    {"dry_allowed_length", &SamplerOptions::dry_allowed_length, 1, kMost},
    {"dry_penalty_last_n", &SamplerOptions::dry_penalty_last_n, -1, kMost},
    {"mirostat", &SamplerOptions::mirostat, 0, 2},
    {"n_probs", &SamplerOptions::n_probs, 0, kMost},
};

std::string known_steps() {
  std::string all;
  const StepName* shown = nullptr;
  for (const StepName& known : kStepNames) {
    if (shown != nullptr && shown->step == known.step) continue;
    all += (shown == nullptr ? "" : ", ") + std::string(known.name);
    shown = &known;
  }
  return all;
}

Result<SamplingStep> parse_step(std::string_view text) {
  for (const StepName& known : kStepNames) {
    if (known.name == text) return known.step;
  }
  return fail("samplers: no step is called '{}'; there are {}", visible(text.substr(0, 40)),
              known_steps());
}

}  // namespace

Result<void> check(const SamplerOptions& options) {
  for (const FloatRange& range : kFloatRanges) {
    const float value = options.*range.field;
    if (value >= range.low && value <= range.high) continue;
    return fail("{}: expected a number from {} to {}, found {}", range.name, range.low, range.high,
                value);
  }
  for (const IntRange& range : kIntRanges) {
    const int value = options.*range.field;
    if (value >= range.low && value <= range.high) continue;
    if (range.high == kMost)
      return fail("{}: expected {} or more, found {}", range.name, range.low, value);
    return fail("{}: expected a number from {} to {}, found {}", range.name, range.low, range.high,
                value);
  }
  for (const LogitBias& bias : options.logit_bias) {
    if (bias.token < 0)
      return fail("logit_bias: expected a token of 0 or more, found {}", bias.token);
    const bool never = bias.bias == -std::numeric_limits<float>::infinity();
    if (!never && !(std::abs(bias.bias) <= kLargestBias))
      return fail("logit_bias: expected a number from {} to {} or -inf for token {}, found {}",
                  -kLargestBias, kLargestBias, bias.token, bias.bias);
  }
  for (const std::string& breaker : options.dry_sequence_breakers) {
    if (breaker.empty()) return fail("dry_sequence_breakers: expected texts that are not empty");
  }
  return {};
}

const char* name(SamplingStep step) {
  for (const StepName& known : kStepNames) {
    if (known.step == step) return known.name.data();
  }
  return "";
}

Result<std::vector<SamplingStep>> parse_steps(std::string_view names) {
  std::vector<SamplingStep> steps;
  while (!names.empty()) {
    const size_t end = std::min(names.find(';'), names.size());
    if (end > 0) {
      const SamplingStep step = TRY(parse_step(names.substr(0, end)));
      if (std::find(steps.begin(), steps.end(), step) != steps.end())
        return fail("samplers: '{}' is there twice", name(step));
      steps.push_back(step);
    }
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  return steps;
}

std::string to_string(const std::vector<SamplingStep>& steps) {
  std::string all;
  for (const SamplingStep step : steps) {
    if (!all.empty()) all += ';';
    all += name(step);
  }
  return all;
}

Result<LogitBias> parse_logit_bias(std::string_view text) {
  const auto refusal = [&] {
    return fail(
        "logit_bias: expected a token's number and a bias such as 15043+1.5 or 15043-inf, "
        "found '{}'",
        visible(text.substr(0, 40)));
  };
  const char* end = text.data() + text.size();
  LogitBias found;
  const auto token = std::from_chars(text.data(), end, found.token);
  if (token.ec != std::errc() || token.ptr == end || (*token.ptr != '+' && *token.ptr != '-'))
    return refusal();
  const char* number = token.ptr + (*token.ptr == '+' ? 1 : 0);
  const auto bias = std::from_chars(number, end, found.bias);
  if (bias.ec != std::errc() || bias.ptr != end || found.token < 0) return refusal();
  return found;
}

}  // namespace issun::engine
