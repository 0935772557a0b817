#include "engine/sampler.h"

#include <algorithm>
#include <cmath>

#include "engine/sampling/penalties.h"
#include "engine/sampling/temperature.h"

namespace issun::engine {

Sampler::Sampler(const SamplerOptions& options, int vocabulary_size,
                 std::shared_ptr<const SequenceBreakers> breakers)
    : options_(options),
      candidates_(vocabulary_size),
      scratch_(vocabulary_size),
      dry_(std::move(breakers)),
      mirostat_(options, vocabulary_size),
      marks_(static_cast<size_t>(vocabulary_size)),
      state_(options.seed) {
  weights_.reserve(static_cast<size_t>(vocabulary_size));
}

bool Sampler::edits_logits() const {
  return options_.repeat_penalty != 1 || options_.presence_penalty != 0 ||
         options_.frequency_penalty != 0 || options_.dry_multiplier != 0 ||
         !options_.logit_bias.empty();
}

// Only typical_p and xtc ever leave out the most likely token.
bool Sampler::always_takes_the_likeliest() const {
  const auto has = [&](SamplingStep step) {
    return std::find(options_.steps.begin(), options_.steps.end(), step) != options_.steps.end();
  };
  return options_.temperature == 0 && options_.dynatemp_range == 0 &&
         has(SamplingStep::Temperature) && !edits_logits() && options_.typical_p >= 1 &&
         options_.xtc_probability == 0;
}

int32_t Sampler::sample(std::span<const float> logits, std::span<const int32_t> history) {
  if (options_.n_probs == 0 && always_takes_the_likeliest()) return most_likely(logits);
  candidates_.start(logits);
  if (!std::isfinite(candidates_.highest())) return most_likely(logits);
  for (const LogitBias& bias : options_.logit_bias) candidates_.add_to(bias.token, bias.bias);
  for (const SamplingStep step : options_.steps) apply(step, history);
  if (mirostat_.on()) mirostat_.cut(candidates_);
  if (candidates_.all().empty()) return most_likely(logits);  // biases forbid every token
  const int32_t token = draw();
  if (options_.n_probs > 0) note_before(logits, token);
  return token;
}

void Sampler::apply(SamplingStep step, std::span<const int32_t> history) {
  const SamplerOptions& o = options_;
  switch (step) {
    case SamplingStep::Penalties:
      return penalise(candidates_, o, history, marks_);
    case SamplingStep::Dry:
      return dry_.penalise(candidates_, o, history, marks_);
    case SamplingStep::Temperature:
      return temper(candidates_, dynamic_temperature(candidates_, o.temperature, o.dynatemp_range,
                                                     o.dynatemp_exponent));
    default:
      break;
  }
  if (mirostat_.on()) return;
  switch (step) {
    case SamplingStep::TopNSigma:
      return top_n_sigma(candidates_, o.top_n_sigma);
    case SamplingStep::TopK:
      return top_k(candidates_, o.top_k);
    case SamplingStep::TypicalP:
      return typical_p(candidates_, o.typical_p, o.min_keep, scratch_);
    case SamplingStep::TopP:
      return top_p(candidates_, o.top_p, o.min_keep);
    case SamplingStep::MinP:
      return min_p(candidates_, o.min_p, o.min_keep);
    case SamplingStep::Xtc:
      if (o.xtc_probability > 0 && uniform() < o.xtc_probability)
        exclude_top_choices(candidates_, o.xtc_threshold, o.min_keep);
      return;
    default:
      return;
  }
}

int32_t Sampler::draw() {
  const std::span<const Candidate> all = candidates_.all();
  const float highest = candidates_.highest();
  weights_.clear();
  double total = 0;
  for (const Candidate& candidate : all) {
    weights_.push_back(std::exp(double{candidate.logit} - highest));
    total += weights_.back();
  }
  double left = uniform() * total;
  size_t chosen = 0;
  while (chosen + 1 < all.size() && left >= weights_[chosen]) left -= weights_[chosen++];
  // Rounding may lead past the end of what has any probability.
  while (chosen > 0 && weights_[chosen] == 0) --chosen;
  if (mirostat_.on()) mirostat_.learn(weights_[chosen] / total);
  const int32_t token = all[chosen].token;
  if (options_.n_probs > 0) note_most_likely(highest + std::log(total), probabilities_.after);
  return token;
}

// The best candidates, where log_total is the logarithm of the sum of all exp(logit).
void Sampler::note_most_likely(double log_total, std::vector<TokenProbability>& out) {
  out.clear();
  for (const Candidate& candidate : candidates_.best(static_cast<size_t>(options_.n_probs)))
    out.push_back({candidate.token, static_cast<float>(candidate.logit - log_total)});
}

// Ends the use of the candidates: they become those of the model alone.
void Sampler::note_before(std::span<const float> logits, int32_t token) {
  candidates_.start(logits);
  const double highest = candidates_.highest();
  double total = 0;
  for (const float logit : logits) {
    if (logit > kNever) total += std::exp(logit - highest);
  }
  const double log_total = highest + std::log(total);
  probabilities_.chosen = static_cast<float>(logits[static_cast<size_t>(token)] - log_total);
  candidates_.keep_best(static_cast<size_t>(options_.n_probs));
  note_most_likely(log_total, probabilities_.before);
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
