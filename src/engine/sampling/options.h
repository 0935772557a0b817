// What a person may ask of the choice of tokens: every number with the name, the default and the
// range people know from other engines, and the order of the steps.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace issun::engine {

// Each step narrows or reshapes what the step before it left.
enum class SamplingStep {
  Penalties,
  Dry,
  TopNSigma,
  TopK,
  TypicalP,
  TopP,
  MinP,
  Xtc,
  Temperature,
};

struct LogitBias {
  int32_t token = 0;
  float bias = 0;  // added to the logit; minus infinity: never
};

struct SamplerOptions {
  float temperature = 0.8f;  // 0: always the most likely token
  float dynatemp_range = 0;  // the temperature moves this far to both sides with the entropy
  float dynatemp_exponent = 1;
  int top_k = 40;          // keep the k most likely; 0: all
  float top_p = 0.95f;     // keep the most likely that together reach p; 1: all
  float min_p = 0.05f;     // keep those at least this share of the most likely; 0: all
  float typical_p = 1;     // keep the most typical that together pass p; 1: all
  float top_n_sigma = -1;  // keep those within n standard deviations of the best; 0 or less: all
  float xtc_probability = 0;
  float xtc_threshold = 0.1f;  // leave out all that reach it but the least of them; over 0.5: off
  int min_keep = 0;            // top_p, min_p, typical_p and xtc leave at least so many

  float repeat_penalty = 1;    // divides positive logits of recent tokens, multiplies negative ones
  float presence_penalty = 0;  // taken off the logit of a recent token
  float frequency_penalty = 0;  // taken off once for each time it occurred
  int repeat_last_n = 64;       // how recent; 0: none, -1: the whole context

  float dry_multiplier = 0;  // 0: off
  float dry_base = 1.75f;
  int dry_allowed_length = 2;
  int dry_penalty_last_n = 64;  // 0: none, -1: the whole context
  std::vector<std::string> dry_sequence_breakers = {"\n", ":", "\"", "*"};

  int mirostat = 0;  // 1, 2: takes the place of all steps that cut
  float mirostat_tau = 5;
  float mirostat_eta = 0.1f;

  std::vector<LogitBias> logit_bias;
  std::vector<SamplingStep> steps = {
      SamplingStep::Penalties, SamplingStep::Dry,      SamplingStep::TopNSigma,
      SamplingStep::TopK,      SamplingStep::TypicalP, SamplingStep::TopP,
      SamplingStep::MinP,      SamplingStep::Xtc,      SamplingStep::Temperature};
  int n_probs = 0;  // tell the probabilities of the n most likely tokens
  uint64_t seed = 0;
};

// Error: a number outside its range, by name.
Result<void> check(const SamplerOptions& options);

const char* name(SamplingStep step);
// "top_k;top_p;temperature"; the other names that people type (top-k, temp, typical_p ...) mean the
// same. Error: a name that no step has, with those there are; a step twice.
Result<std::vector<SamplingStep>> parse_steps(std::string_view names);
std::string to_string(const std::vector<SamplingStep>& steps);

// "15043+1.5", "15043-inf". Error: not of this form.
Result<LogitBias> parse_logit_bias(std::string_view text);

}  // namespace issun::engine
