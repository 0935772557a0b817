#include "measure/perplexity.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

namespace issun::measure {

namespace {

// Adds the surprises of the targets under `logits`, in parallel by way of `rows`.
Result<void> add(const WindowReader& reader, const Matrix<const float>& logits, Workers& workers,
                 std::vector<double>& rows, Surprise* sum) {
  workers.for_each(logits.rows, 1, [&](int64_t r, int64_t, int) {
    rows[static_cast<size_t>(r)] =
        negative_log_likelihood({logits.row(r), static_cast<size_t>(logits.columns)},
                                reader.targets()[static_cast<size_t>(r)]);
  });
  for (int64_t r = 0; r < logits.rows; ++r) {
    const double surprise = rows[static_cast<size_t>(r)];
    if (!std::isfinite(surprise)) {
      return fail("perplexity: expected numbers as logits, found others after token {}",
                  reader.first_target() + r - 1);
    }
    sum->sum += surprise;
    sum->sum2 += surprise * surprise;
    ++sum->tokens;
  }
  return {};
}

}  // namespace

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
  TRY(expect_tokens_below(decoder.vocabulary_size(), tokens));
  const int64_t total = scored_tokens(windows);
  std::vector<double> rows(static_cast<size_t>(rows_at_a_time(decoder)));
  WindowReader reader(decoder, cache, tokens, options.bos, rows_at_a_time(decoder));
  Surprise sum;
  for (const Window& window : windows) {
    TRY(reader.start(window));
    while (true) {
      const Matrix<const float> logits = TRY(reader.next());
      if (logits.rows == 0) break;
      TRY(add(reader, logits, workers, rows, &sum));
    }
    ++sum.windows;
    for (int64_t t = window.first_scored; t < window.end; ++t)
      sum.bytes += bytes_of(tokens[static_cast<size_t>(t)]);
    if (options.progress) options.progress(sum.tokens, total, sum.perplexity());
  }
  return sum;
}

nlohmann::ordered_json to_json(const Surprise& surprise, const PerplexityOptions& options) {
  nlohmann::ordered_json report = {{"perplexity", surprise.perplexity()},
                                   {"perplexity_standard_error", surprise.perplexity_error()},
                                   {"nats_per_token", surprise.mean()},
                                   {"nats_per_token_standard_error", surprise.standard_error()},
                                   {"bits_per_token", surprise.bits_per_token()},
                                   {"bits_per_byte", surprise.bits_per_byte()},
                                   {"tokens_scored", surprise.tokens},
                                   {"bytes_scored", surprise.bytes},
                                   {"windows", surprise.windows}};
  report.update(to_json(static_cast<const WindowOptions&>(options)));
  return report;
}

}  // namespace issun::measure
