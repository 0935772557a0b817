// Perplexity: how surprised a model is by a text, in windows of limited context. docs/perplexity.md
// is the definition.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "base/result.h"
#include "base/threads.h"
#include "measure/windows.h"

namespace issun::measure {

struct PerplexityOptions : WindowOptions {
  // Called after each window: tokens scored so far and in all, and the perplexity so far.
  std::function<void(int64_t done, int64_t total, double perplexity)> progress;
};

struct Surprise {
  int64_t tokens = 0;  // scored
  int64_t windows = 0;
  int64_t bytes = 0;         // of the scored tokens' text
  double sum = 0, sum2 = 0;  // of -ln p(token | before it) in nats, and of its squares

  double mean() const { return sum / static_cast<double>(tokens); }
  double standard_error() const;  // of the mean, the tokens taken as independent
  double perplexity() const;
  double perplexity_error() const { return perplexity() * standard_error(); }
  double bits_per_token() const;
  double bits_per_byte() const;  // comparable between tokenizers
};

// -ln softmax(logits)[target], in double.
double negative_log_likelihood(std::span<const float> logits, int32_t target);

// bytes_of: the length of a token's text. The cache must hold a window and is empty again at the
// end. Error: as plan_windows, a token outside the vocabulary, no room in the cache, or logits that
// are no numbers.
Result<Surprise> measure_surprise(model::Decoder& decoder, cache::PagedKv& cache, Workers& workers,
                                  std::span<const int32_t> tokens,
                                  const std::function<int64_t(int32_t)>& bytes_of,
                                  const PerplexityOptions& options);

nlohmann::ordered_json to_json(const Surprise& surprise, const PerplexityOptions& options);

}  // namespace issun::measure
