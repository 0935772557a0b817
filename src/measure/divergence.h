// How far a model's next-token distributions are from those of a base: Kullback-Leibler divergence
// and what goes with it, over the windows of perplexity. docs/evaluation.md is the definition.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <vector>

#include "base/memory.h"
#include "base/result.h"
#include "base/threads.h"
#include "measure/statistics.h"
#include "measure/windows.h"
#include "tensor/dtype.h"
#include "tokenizer/tokenizer.h"

namespace issun::measure {

// One scored token under the base and the model. In nats.
struct Comparison {
  double divergence = 0;                   // sum over the vocabulary of p ln(p / q); p: the base
  double base_surprise = 0, surprise = 0;  // -ln p(token), -ln q(token)
  bool same_top = false;                   // both find the same token the likeliest
};

// Of one row of logits each, in double: 0 exactly for equal rows, and never below. A logit that is
// no finite number gives a divergence that is none.
Comparison compare(std::span<const float> base, std::span<const float> logits, int32_t target);

// What was measured, token by token in the order of the windows; the figures follow from it.
struct Divergence {
  int64_t windows = 0;
  std::vector<Comparison> tokens;

  // Of at least one token.
  Estimate mean() const;
  double quantile(double share) const;  // of the divergences; 1: the largest
  Share same_top() const;
  // q(token) - p(token): above 0 where the model finds what stands there likelier than the base.
  Estimate delta_p() const;
  double delta_p_rms() const;
  Estimate perplexity() const;
  Estimate base_perplexity() const;
  // perplexity / base_perplexity; its error is that of the difference token by token, much smaller
  // than what the errors of both would give.
  Estimate perplexity_ratio() const;
};
nlohmann::ordered_json to_json(const Divergence& divergence);

struct DivergenceOptions : WindowOptions {
  // Called after each window: tokens scored so far and in all, and the sum of the divergences.
  std::function<void(int64_t done, int64_t total, double sum)> progress;
};

struct Reading {
  model::Decoder& decoder;
  cache::PagedKv& cache;  // holds a window; empty again at the end
};

// Reads the text with both, window by window, and stores no logits. Two decoders, since the logits
// of one must outlast a run of the other. Error: as plan_windows, vocabularies of different size, a
// token outside them, no room in a cache, or logits that are no numbers.
Result<Divergence> measure_divergence(const Reading& base, const Reading& model, Workers& workers,
                                      std::span<const int32_t> tokens,
                                      const DivergenceOptions& options);

// What a base says of a small text, kept in memory to hold many models against it: those of a
// search, one after another. (scored tokens, vocabulary) in F32, or in half of that: F16, less the
// largest of the row, whose rounding counts as the base's own word and adds some 1e-6 nats.
class BaseLogits {
 public:
  // Bytes of the rows: tell it before there are too many.
  static int64_t planned_bytes(int64_t scored, int vocabulary, DType type);
  // type: F32 or F16. Error: as measure_divergence, and memory that cannot be had.
  static Result<BaseLogits> record(const Reading& base, Workers& workers,
                                   std::vector<int32_t> tokens, const WindowOptions& options,
                                   DType type);

  int64_t rows() const { return rows_; }
  int vocabulary() const { return vocabulary_; }
  std::span<const int32_t> tokens() const { return tokens_; }
  const WindowOptions& options() const { return options_; }
  std::span<const Window> windows() const { return windows_; }
  // out: (vocabulary).
  void read_row(int64_t row, std::span<float> out) const;

 private:
  void write_row(int64_t row, std::span<const float> logits);

  std::vector<int32_t> tokens_;
  WindowOptions options_;
  std::vector<Window> windows_;
  int64_t rows_ = 0;
  int vocabulary_ = 0;
  DType type_ = DType::F32;
  AlignedBuffer buffer_;
};

// The model read over the text of the base. Error: as above.
Result<Divergence> measure_divergence(const BaseLogits& base, const Reading& model,
                                      Workers& workers);

// That tokens mean the same to both. Error: the sizes, or the first token that differs.
Result<void> expect_same_vocabulary(const tokenizer::Tokenizer& base,
                                    const tokenizer::Tokenizer& model);

}  // namespace issun::measure
