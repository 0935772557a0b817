// From logits to the next token: penalties, top_k, top_p, min_p, temperature, in this order; then a
// draw. Names and defaults are those people know.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"

namespace issun::engine {

struct SamplerOptions {
  float temperature = 0.8f;  // 0: always the most likely token
  int top_k = 40;            // keep the k most likely; 0: all
  float top_p = 0.95f;       // keep the most likely that together reach p; 1: all
  float min_p = 0.05f;       // keep those at least this share of the most likely; 0: all
  float repeat_penalty =
      1.0f;                // divides positive logits of recent tokens, multiplies negative ones
  int repeat_last_n = 64;  // how recent; 0: none, -1: the whole context
  uint64_t seed = 0;
};

// Error: a number outside its range, by name.
Result<void> check(const SamplerOptions& options);

class Sampler {
 public:
  Sampler(const SamplerOptions& options, int vocabulary_size);
  // logits: (vocabulary). history: the tokens so far, prompt included. Allocates nothing.
  // A logit that is not a number never wins.
  int32_t sample(std::span<const float> logits, std::span<const int32_t> history);

 private:
  struct Candidate {
    float logit;
    int32_t token;
  };
  void penalise(std::span<const int32_t> history);
  size_t keep_top_k();
  size_t keep_top_p(size_t count) const;
  size_t keep_min_p(size_t count) const;
  int32_t draw(size_t count);
  double uniform();

  SamplerOptions options_;
  std::vector<Candidate> candidates_;
  std::vector<bool> penalised_;  // (vocabulary), false between calls
  uint64_t state_;               // of the generator
};

// The first of the largest; NaN never wins.
int32_t most_likely(std::span<const float> logits);

}  // namespace issun::engine
