// From logits to the next token: logit biases, the steps of SamplerOptions in their order, a draw.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "engine/sampling/candidates.h"
#include "engine/sampling/dry.h"
#include "engine/sampling/mirostat.h"
#include "engine/sampling/options.h"
#include "engine/sampling/truncation.h"

namespace issun::engine {

struct TokenProbability {
  int32_t token = 0;
  float log_probability = 0;  // natural
};

// Of one choice, as far as n_probs asks.
struct Probabilities {
  float chosen = 0;                      // log-probability of the chosen token by the model alone
  std::vector<TokenProbability> before;  // the most likely by the model alone, best first
  std::vector<TokenProbability> after;   // the most likely of those that the draw was among
};

class Sampler {
 public:
  // breakers: of DRY; nullptr for none.
  Sampler(const SamplerOptions& options, int vocabulary_size,
          std::shared_ptr<const SequenceBreakers> breakers = nullptr);
  // logits: (vocabulary). history: the tokens so far, prompt included. Allocates nothing but the
  // probabilities asked for. A logit that is not a number, or minus infinity, never wins; where
  // none is better, or one is plus infinity, the token returned is one whose logit is not finite.
  int32_t sample(std::span<const float> logits, std::span<const int32_t> history);
  // Of the latest choice; empty unless n_probs asks for them.
  const Probabilities& probabilities() const { return probabilities_; }

 private:
  bool always_takes_the_likeliest() const;
  bool edits_logits() const;
  void apply(SamplingStep step, std::span<const int32_t> history);
  int32_t draw();
  double uniform();
  void note_most_likely(double log_total, std::vector<TokenProbability>& out);
  void note_before(std::span<const float> logits, int32_t token);

  SamplerOptions options_;
  Candidates candidates_;
  TruncationScratch scratch_;
  Dry dry_;
  Mirostat mirostat_;
  std::vector<int32_t> marks_;   // (vocabulary), 0 between steps
  std::vector<double> weights_;  // of the candidates of a draw
  uint64_t state_;               // of the generator
  Probabilities probabilities_;
};

// The first of the largest; NaN never wins.
int32_t most_likely(std::span<const float> logits);

}  // namespace issun::engine
