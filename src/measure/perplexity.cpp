#include "measure/perplexity.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "model/sequence.h"

namespace issun::measure {

namespace {

// Reads windows one by one and adds up.
class Reader {
 public:
  Reader(model::Decoder& decoder, cache::PagedKv& cache, Workers& workers,
         std::span<const int32_t> tokens, const PerplexityOptions& options)
      : decoder_(decoder),
        workers_(workers),
        tokens_(tokens),
        options_(options),
        sequence_(decoder, cache),
        surprises_(static_cast<size_t>(decoder.max_outputs())) {}

  Result<void> read(const Window& window, Surprise* sum) {
    sequence_.truncate(0);
    window_.assign(tokens_.begin() + window.begin, tokens_.begin() + window.end);
    if (options_.bos >= 0) window_[0] = options_.bos;
    // The row at t gives the distribution of token t + 1; the last token is read by nobody.
    const int first = static_cast<int>(window.first_scored - window.begin) - 1;
    const int last = static_cast<int>(window_.size()) - 1;
    for (int t = 0; t < first; t += decoder_.max_rows())
      TRY(run(t, std::min(decoder_.max_rows(), first - t), model::Wanted::None));
    const int rows = std::min(decoder_.max_rows(), decoder_.max_outputs());
    for (int t = first; t < last; t += rows) {
      const int count = std::min(rows, last - t);
      TRY(score(t, TRY(run(t, count, model::Wanted::All)), sum, window.begin));
    }
    ++sum->windows;
    return {};
  }

 private:
  Result<Matrix<const float>> run(int begin, int count, model::Wanted wanted) {
    return sequence_.append(std::span<const int32_t>(window_).subspan(static_cast<size_t>(begin),
                                                                      static_cast<size_t>(count)),
                            wanted);
  }

  Result<void> score(int begin, const Matrix<const float>& logits, Surprise* sum,
                     int64_t window_begin) {
    workers_.for_each(logits.rows, 1, [&](int64_t r, int64_t, int) {
      surprises_[static_cast<size_t>(r)] =
          negative_log_likelihood({logits.row(r), static_cast<size_t>(logits.columns)},
                                  window_[static_cast<size_t>(begin + r + 1)]);
    });
    for (int64_t r = 0; r < logits.rows; ++r) {
      const double surprise = surprises_[static_cast<size_t>(r)];
      if (!std::isfinite(surprise)) {
        return fail("perplexity: expected numbers as logits, found others after token {}",
                    window_begin + begin + r);
      }
      sum->sum += surprise;
      sum->sum2 += surprise * surprise;
      ++sum->tokens;
    }
    return {};
  }

  model::Decoder& decoder_;
  Workers& workers_;
  const std::span<const int32_t> tokens_;
  const PerplexityOptions& options_;
  model::Sequence sequence_;
  std::vector<int32_t> window_;
  std::vector<double> surprises_;  // of one batch
};

}  // namespace

Result<std::vector<Window>> plan_windows(int64_t tokens, const PerplexityOptions& options) {
  const int64_t context = options.context;
  if (context < 2) return fail("context: expected at least 2 tokens, found {}", context);
  std::vector<Window> windows;
  if (options.protocol == Protocol::Halves) {
    for (int64_t begin = 0; begin + context <= tokens; begin += context) {
      // A window of two has no second half but its last token.
      const int64_t first = std::min(begin + context / 2 + 1, begin + context - 1);
      windows.push_back({begin, begin + context, first});
    }
    if (windows.empty())
      return fail("text: expected at least {} tokens, found {}", context, tokens);
    return windows;
  }
  if (options.stride < 1 || options.stride > context) {
    return fail("stride: expected 1 to {} tokens, found {}", context, options.stride);
  }
  if (tokens < 2) return fail("text: expected at least 2 tokens, found {}", tokens);
  for (int64_t begin = 0, scored = 1; scored < tokens; begin += options.stride) {
    const Window window{begin, std::min(begin + context, tokens), std::max(scored, begin + 1)};
    if (window.first_scored < window.end) windows.push_back(window);
    scored = window.end;
  }
  return windows;
}

double Surprise::standard_error() const {
  if (tokens < 2) return 0;
  const double n = static_cast<double>(tokens);
  const double variance = std::max(0.0, sum2 / n - mean() * mean());
  return std::sqrt(variance / (n - 1));
}

double Surprise::perplexity() const { return std::exp(mean()); }
double Surprise::bits_per_token() const { return mean() / std::numbers::ln2; }
double Surprise::bits_per_byte() const {
  return sum / std::numbers::ln2 / static_cast<double>(bytes);
}

double negative_log_likelihood(std::span<const float> logits, int32_t target) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - most);
  return std::log(sum) + most - logits[static_cast<size_t>(target)];
}

Result<Surprise> measure_surprise(model::Decoder& decoder, cache::PagedKv& cache, Workers& workers,
                                  std::span<const int32_t> tokens,
                                  const std::function<int64_t(int32_t)>& bytes_of,
                                  const PerplexityOptions& options) {
  const std::vector<Window> windows =
      TRY(plan_windows(static_cast<int64_t>(tokens.size()), options));
  for (const int32_t token : tokens) {
    if (token < 0 || token >= decoder.vocabulary_size()) {
      return fail("text: expected tokens below {}, found {}", decoder.vocabulary_size(), token);
    }
  }
  int64_t total = 0;
  for (const Window& window : windows) total += window.end - window.first_scored;
  Reader reader(decoder, cache, workers, tokens, options);
  Surprise sum;
  for (const Window& window : windows) {
    TRY(reader.read(window, &sum));
    for (int64_t t = window.first_scored; t < window.end; ++t)
      sum.bytes += bytes_of(tokens[static_cast<size_t>(t)]);
    if (options.progress) options.progress(sum.tokens, total, sum.perplexity());
  }
  return sum;
}

const char* name(Protocol protocol) { return protocol == Protocol::Strided ? "strided" : "halves"; }

nlohmann::ordered_json to_json(const Surprise& surprise, const PerplexityOptions& options) {
  return {{"perplexity", surprise.perplexity()},
          {"perplexity_standard_error", surprise.perplexity_error()},
          {"nats_per_token", surprise.mean()},
          {"nats_per_token_standard_error", surprise.standard_error()},
          {"bits_per_token", surprise.bits_per_token()},
          {"bits_per_byte", surprise.bits_per_byte()},
          {"tokens_scored", surprise.tokens},
          {"bytes_scored", surprise.bytes},
          {"windows", surprise.windows},
          {"protocol", name(options.protocol)},
          {"context", options.context},
          {"stride", options.protocol == Protocol::Strided ? options.stride : options.context},
          {"bos_in_front", options.bos >= 0}};
}

}  // namespace issun::measure
