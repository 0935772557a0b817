// How likely a model finds that a text goes on in each of several ways.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/sequence.h"
#include "tokenizer/tokenizer.h"

namespace issun::measure {

// A context and what may follow it, as tokens. All texts begin with the same `shared` tokens, at
// least one; of what is behind them each has at least one.
struct Continuations {
  std::vector<std::vector<int32_t>> texts;
  size_t shared = 0;
};

// Each context + ending is tokenised as one text, after a BOS token where the vocabulary begins
// texts with one, and no special token is looked for inside. `shared` is what all of them have in
// common with the tokens of the context alone: an ending that merges with the end of the context is
// so scored from where it differs, as all others then are. Error: an ending that adds no token, or
// nothing before it.
Result<Continuations> encode_continuations(const tokenizer::Tokenizer& tokenizer,
                                           std::string_view context,
                                           std::span<const std::string> endings);

struct Score {
  double log_likelihood = 0;  // sum of ln p(token | before it) behind the shared ones, in nats
  int tokens = 0;
  bool greedy = true;  // each of them is the likeliest there (the first of equals)
};

class ContinuationScorer {
 public:
  // Both outlive it; the cache is empty again once it is gone.
  ContinuationScorer(model::Decoder& decoder, cache::PagedKv& cache);
  // The shared tokens are computed once. Error: no room in the cache, or logits that are no
  // numbers.
  Result<std::vector<Score>> score(const Continuations& continuations);

 private:
  Result<void> read_shared(std::span<const int32_t> tokens);
  Result<Score> score_one(std::span<const int32_t> text, int shared);
  Result<void> add(std::span<const float> logits, int32_t target, Score* score) const;

  model::Decoder& decoder_;
  model::Sequence sequence_;
  std::vector<float> first_;  // (vocabulary), after the shared tokens
};

}  // namespace issun::measure
