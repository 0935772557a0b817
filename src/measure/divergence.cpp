#include "measure/divergence.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/quote.h"
#include "measure/bench.h"
#include "tensor/codec.h"
#include "tensor/half.h"

namespace issun::measure {

namespace {

constexpr float kLowestF16 = -65504;

using RowsOf = std::function<Result<Matrix<const float>>(int64_t rows)>;

// Reads windows with the model and holds its rows against those of a base.
class Comparer {
 public:
  Comparer(const Reading& model, Workers& workers, std::span<const int32_t> tokens, int32_t bos,
           int rows)
      : workers_(workers),
        reader_(model.decoder, model.cache, tokens, bos, rows),
        rows_(static_cast<size_t>(rows)) {}

  // base(n): the next n rows of the base, of the same tokens.
  Result<void> read(const Window& window, const RowsOf& base, Divergence* out) {
    TRY(reader_.start(window));
    while (true) {
      const Matrix<const float> logits = TRY(reader_.next());
      if (logits.rows == 0) break;
      TRY(add(TRY(base(logits.rows)), logits, out));
    }
    ++out->windows;
    return {};
  }

 private:
  Result<void> add(const Matrix<const float>& base, const Matrix<const float>& logits,
                   Divergence* out) {
    CHECK_THAT(base.rows == logits.rows && base.columns == logits.columns);
    const size_t columns = static_cast<size_t>(logits.columns);
    workers_.for_each(logits.rows, 1, [&](int64_t r, int64_t, int) {
      rows_[static_cast<size_t>(r)] = compare({base.row(r), columns}, {logits.row(r), columns},
                                              reader_.targets()[static_cast<size_t>(r)]);
    });
    for (int64_t r = 0; r < logits.rows; ++r) {
      const Comparison& row = rows_[static_cast<size_t>(r)];
      if (!std::isfinite(row.divergence) || !std::isfinite(row.surprise)) {
        return fail("divergence: expected numbers as logits, found others after token {}",
                    reader_.first_target() + r - 1);
      }
      out->tokens.push_back(row);
    }
    return {};
  }

  Workers& workers_;
  WindowReader reader_;
  std::vector<Comparison> rows_;  // of one batch
};

Result<void> expect_size(int base, int model) {
  if (base == model) return {};
  return fail("vocabulary: expected {} tokens as the base has, found {}", base, model);
}

size_t top_of(std::span<const float> logits) {
  return static_cast<size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

double delta_p_of(const Comparison& token) {
  return std::exp(-token.surprise) - std::exp(-token.base_surprise);
}

template <class Value>
Estimate estimate_of(const std::vector<Comparison>& tokens, Value&& value) {
  return estimate(static_cast<int64_t>(tokens.size()),
                  [&](int64_t i) { return value(tokens[static_cast<size_t>(i)]); });
}

}  // namespace

Comparison compare(std::span<const float> base, std::span<const float> logits, int32_t target) {
  const size_t base_top = top_of(base), top = top_of(logits), t = static_cast<size_t>(target);
  const double base_most = base[base_top], most = logits[top];
  // p = exp(base - base_most) / base_sum, and so
  // sum p (ln p - ln q) = sum p (base - logits) - (ln sum exp base - ln sum exp logits).
  double base_sum = 0, sum = 0, cross = 0;
  for (size_t i = 0; i < base.size(); ++i) {
    const double weight = std::exp(base[i] - base_most);
    base_sum += weight;
    cross += weight * (static_cast<double>(base[i]) - logits[i]);
    sum += std::exp(logits[i] - most);
  }
  const double base_total = std::log(base_sum) + base_most, total = std::log(sum) + most;
  const double divergence = cross / base_sum - (base_total - total);
  // Rounding may end below 0; what is no number stays so.
  return {divergence < 0 ? 0 : divergence, base_total - base[t], total - logits[t],
          base_top == top};
}

Estimate Divergence::mean() const {
  return estimate_of(tokens, [](const Comparison& token) { return token.divergence; });
}

double Divergence::quantile(double share) const {
  std::vector<double> values;
  for (const Comparison& token : tokens) values.push_back(token.divergence);
  return measure::quantile(std::move(values), share);
}

Share Divergence::same_top() const {
  return wilson(std::count_if(tokens.begin(), tokens.end(),
                              [](const Comparison& token) { return token.same_top; }),
                static_cast<int64_t>(tokens.size()));
}

Estimate Divergence::delta_p() const { return estimate_of(tokens, delta_p_of); }

double Divergence::delta_p_rms() const {
  return std::sqrt(estimate_of(tokens, [](const Comparison& token) {
                     return delta_p_of(token) * delta_p_of(token);
                   }).value);
}

Estimate Divergence::perplexity() const {
  return exponential(estimate_of(tokens, [](const Comparison& token) { return token.surprise; }));
}

Estimate Divergence::base_perplexity() const {
  return exponential(
      estimate_of(tokens, [](const Comparison& token) { return token.base_surprise; }));
}

Estimate Divergence::perplexity_ratio() const {
  return exponential(estimate_of(
      tokens, [](const Comparison& token) { return token.surprise - token.base_surprise; }));
}

nlohmann::ordered_json to_json(const Divergence& divergence) {
  const Estimate mean = divergence.mean(), delta = divergence.delta_p(),
                 perplexity = divergence.perplexity(), base = divergence.base_perplexity(),
                 ratio = divergence.perplexity_ratio();
  return {{"kld_nats", mean.value},
          {"kld_standard_error", mean.error},
          {"kld_median", divergence.quantile(0.5)},
          {"kld_p90", divergence.quantile(0.9)},
          {"kld_p95", divergence.quantile(0.95)},
          {"kld_p99", divergence.quantile(0.99)},
          {"kld_p99_9", divergence.quantile(0.999)},
          {"kld_max", divergence.quantile(1)},
          {"same_top", to_json(divergence.same_top())},
          {"delta_p_mean", delta.value},
          {"delta_p_standard_error", delta.error},
          {"delta_p_rms", divergence.delta_p_rms()},
          {"perplexity", perplexity.value},
          {"perplexity_standard_error", perplexity.error},
          {"base_perplexity", base.value},
          {"base_perplexity_standard_error", base.error},
          {"perplexity_ratio", ratio.value},
          {"perplexity_ratio_standard_error", ratio.error},
          {"tokens_scored", divergence.tokens.size()},
          {"windows", divergence.windows}};
}

Result<Divergence> measure_divergence(const Reading& base, const Reading& model, Workers& workers,
                                      std::span<const int32_t> tokens,
                                      const DivergenceOptions& options) {
  const auto windows = TRY(plan_windows(static_cast<int64_t>(tokens.size()), options));
  TRY(expect_size(base.decoder.vocabulary_size(), model.decoder.vocabulary_size()));
  TRY(expect_tokens_below(model.decoder.vocabulary_size(), tokens));
  const int64_t total = scored_tokens(windows);
  const int rows = std::min(rows_at_a_time(base.decoder), rows_at_a_time(model.decoder));
  WindowReader base_reader(base.decoder, base.cache, tokens, options.bos, rows);
  Comparer comparer(model, workers, tokens, options.bos, rows);
  Divergence result;
  double sum = 0;
  for (const Window& window : windows) {
    TRY(base_reader.start(window));
    const size_t before = result.tokens.size();
    TRY(comparer.read(
        window, [&](int64_t) { return base_reader.next(); }, &result));
    for (size_t i = before; i < result.tokens.size(); ++i) sum += result.tokens[i].divergence;
    if (options.progress) options.progress(std::ssize(result.tokens), total, sum);
  }
  return result;
}

int64_t BaseLogits::planned_bytes(int64_t scored, int vocabulary, DType type) {
  return saturating_mul(scored, row_bytes(type, vocabulary));
}

Result<BaseLogits> BaseLogits::record(const Reading& base, Workers& workers,
                                      std::vector<int32_t> tokens, const WindowOptions& options,
                                      DType type) {
  CHECK_THAT(type == DType::F32 || type == DType::F16);
  BaseLogits result;
  result.windows_ = TRY(plan_windows(static_cast<int64_t>(tokens.size()), options));
  result.vocabulary_ = base.decoder.vocabulary_size();
  TRY(expect_tokens_below(result.vocabulary_, tokens));
  result.tokens_ = std::move(tokens);
  result.options_ = options;
  result.type_ = type;
  result.buffer_ = TRY(AlignedBuffer::create(
      planned_bytes(scored_tokens(result.windows_), result.vocabulary_, type)));
  WindowReader reader(base.decoder, base.cache, result.tokens_, options.bos,
                      rows_at_a_time(base.decoder));
  for (const Window& window : result.windows_) {
    TRY(reader.start(window));
    while (true) {
      const Matrix<const float> logits = TRY(reader.next());
      if (logits.rows == 0) break;
      workers.for_each(logits.rows, 1, [&](int64_t r, int64_t, int) {
        result.write_row(result.rows_ + r, {logits.row(r), static_cast<size_t>(logits.columns)});
      });
      result.rows_ += logits.rows;
    }
  }
  return result;
}

void BaseLogits::write_row(int64_t row, std::span<const float> logits) {
  std::byte* out = buffer_.data() + row * row_bytes(type_, vocabulary_);
  if (type_ == DType::F32) {
    std::memcpy(out, logits.data(), logits.size_bytes());
    return;
  }
  const float most = logits[top_of(logits)];
  for (size_t i = 0; i < logits.size(); ++i) {
    const uint16_t half = f32_to_f16(std::max(logits[i] - most, kLowestF16));
    std::memcpy(out + 2 * i, &half, 2);
  }
}

void BaseLogits::read_row(int64_t row, std::span<float> out) const {
  decode_row(type_, buffer_.data() + row * row_bytes(type_, vocabulary_), vocabulary_, out.data());
}

Result<Divergence> measure_divergence(const BaseLogits& base, const Reading& model,
                                      Workers& workers) {
  TRY(expect_size(base.vocabulary(), model.decoder.vocabulary_size()));
  const int rows = rows_at_a_time(model.decoder);
  const size_t columns = static_cast<size_t>(base.vocabulary());
  std::vector<float> logits(static_cast<size_t>(rows) * columns);
  int64_t read = 0;
  const auto next = [&](int64_t count) -> Result<Matrix<const float>> {
    workers.for_each(count, 1, [&](int64_t r, int64_t, int) {
      base.read_row(read + r, std::span(logits).subspan(static_cast<size_t>(r) * columns, columns));
    });
    read += count;
    return Matrix<const float>(logits.data(), count, base.vocabulary());
  };
  Comparer comparer(model, workers, base.tokens(), base.options().bos, rows);
  Divergence result;
  for (const Window& window : base.windows()) TRY(comparer.read(window, next, &result));
  return result;
}

Result<void> expect_same_vocabulary(const tokenizer::Tokenizer& base,
                                    const tokenizer::Tokenizer& model) {
  TRY(expect_size(base.vocabulary_size(), model.vocabulary_size()));
  for (int32_t t = 0; t < base.vocabulary_size(); ++t) {
    if (base.token_text(t) == model.token_text(t)) continue;
    return fail("vocabulary: expected token {} to be '{}' as the base has it, found '{}'", t,
                visible(base.token_text(t)), visible(model.token_text(t)));
  }
  return {};
}

}  // namespace issun::measure
