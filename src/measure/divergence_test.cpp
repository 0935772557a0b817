#include "measure/divergence.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "measure/perplexity.h"
#include "measure/random_rows.h"
#include "model/fake.h"
#include "shared_data.h"
#include "tensor/half.h"

using namespace issun;
using namespace issun::measure;

namespace {

constexpr int kTiltedVocabulary = 11, kTiltedContext = 20;

// The fake with other logits: `best` for its choice, or for the token after that, and 0 for others.
class Tilted final : public model::Decoder {
 public:
  Tilted(float best, int shift, int max_rows = 8)
      : fake_(kTiltedVocabulary, max_rows, 8), best_(best), shift_(shift) {}
  int vocabulary_size() const override { return fake_.vocabulary_size(); }
  int max_rows() const override { return fake_.max_rows(); }
  int max_sequences() const override { return fake_.max_sequences(); }
  int max_outputs() const override { return fake_.max_outputs(); }
  int64_t context() const override { return fake_.context(); }
  Result<Matrix<const float>> run(const model::Batch& batch, cache::PagedKv& cache) override {
    const Matrix<const float> from = TRY(fake_.run(batch, cache));
    logits_.assign(static_cast<size_t>(from.rows * from.columns), 0.0f);
    for (int64_t r = 0; r < from.rows; ++r) {
      for (int64_t i = 0; i < from.columns; ++i) {
        if (from.row(r)[i] == 10)
          logits_[static_cast<size_t>(r * kTiltedVocabulary + (i + shift_) % kTiltedVocabulary)] =
              best_;
      }
    }
    return Matrix<const float>{logits_.data(), from.rows, from.columns};
  }

 private:
  model::FakeDecoder fake_;
  float best_;
  int shift_;
  std::vector<float> logits_;
};

cache::PagedKv new_cache() {
  auto cache = cache::PagedKv::create(model::FakeDecoder::kv_shape(), kTiltedContext);
  REQUIRE(cache.has_value());
  return std::move(*cache);
}

std::vector<int32_t> some_tokens(int count) {
  std::vector<int32_t> tokens;
  for (int t = 0; t < count; ++t) tokens.push_back((t * 5 + t / 7) % kTiltedVocabulary);
  return tokens;
}

DivergenceOptions windows(int context = kTiltedContext, int stride = 7) {
  DivergenceOptions options;
  options.context = context;
  options.stride = stride;
  return options;
}

// ln of the probabilities of the likeliest and of another token.
struct Logs {
  explicit Logs(double best) {
    const double total = std::log(std::exp(best) + kTiltedVocabulary - 1);
    likeliest = best - total;
    other = -total;
  }
  double likeliest, other;
};

Divergence diverge(model::Decoder& base, model::Decoder& other, const DivergenceOptions& options) {
  cache::PagedKv first = new_cache(), second = new_cache();
  const auto pool = *Workers::create(2);
  const std::vector<int32_t> tokens = some_tokens(90);
  auto divergence = measure_divergence({base, first}, {other, second}, *pool, tokens, options);
  REQUIRE_MESSAGE(divergence.has_value(), divergence.error().message);
  CHECK(first.free_pages() == first.page_count());
  CHECK(second.free_pages() == second.page_count());
  return std::move(*divergence);
}

}  // namespace

TEST_CASE("a model diverges from itself by nothing at all") {
  Tilted base(3, 0), same(3, 0);
  const Divergence divergence = diverge(base, same, windows());
  CHECK(divergence.tokens.size() == 89);
  CHECK(divergence.mean().value == 0);
  CHECK(divergence.quantile(1) == 0);
  CHECK(divergence.same_top().value == 1);
  CHECK(divergence.delta_p_rms() == 0);
  CHECK(divergence.perplexity_ratio().value == 1);
  CHECK(divergence.perplexity_ratio().error == 0);
}

TEST_CASE(
    "a flatter model and one that prefers another token diverge by what a sum on paper says") {
  const Logs sharp(3), flat(1);
  const double p = std::exp(sharp.likeliest), rest = (1 - p);
  Tilted base(3, 0), flatter(1, 0), shifted(3, 1);
  const Divergence less = diverge(base, flatter, windows());
  CHECK(less.mean().value == doctest::Approx(p * (sharp.likeliest - flat.likeliest) +
                                             rest * (sharp.other - flat.other)));
  CHECK(less.mean().error < 1e-12);
  CHECK(less.same_top().value == 1);

  // p and the rest change places at two tokens: (p - o) (ln p - ln o).
  const Divergence other = diverge(base, shifted, windows());
  CHECK(other.quantile(0.5) ==
        doctest::Approx((p - std::exp(sharp.other)) * (sharp.likeliest - sharp.other)));
  CHECK(other.same_top().hits == 0);
}

TEST_CASE("perplexities are those of the perplexity itself, and their ratio that of the pairs") {
  Tilted base(3, 0), model(1, 0);
  const Divergence divergence = diverge(base, model, windows());
  const auto surprise = [&](model::Decoder& decoder) {
    cache::PagedKv cache = new_cache();
    const auto pool = *Workers::create(1);
    PerplexityOptions options{windows(), {}};
    return *measure_surprise(
        decoder, cache, *pool, some_tokens(90), [](int32_t) { return 1; }, options);
  };
  const Surprise first = surprise(base), second = surprise(model);
  CHECK(divergence.windows == first.windows);
  CHECK(divergence.base_perplexity().value == doctest::Approx(first.perplexity()).epsilon(1e-12));
  CHECK(divergence.base_perplexity().error == doctest::Approx(first.perplexity_error()));
  CHECK(divergence.perplexity().value == doctest::Approx(second.perplexity()).epsilon(1e-12));
  CHECK(divergence.perplexity_ratio().value ==
        doctest::Approx(second.perplexity() / first.perplexity()).epsilon(1e-12));
  const Logs sharp(3), flat(1);
  double delta = 0, squares = 0;
  for (const Comparison& token : divergence.tokens) {
    const bool hit = token.base_surprise < 1;
    const double difference = hit ? std::exp(flat.likeliest) - std::exp(sharp.likeliest)
                                  : std::exp(flat.other) - std::exp(sharp.other);
    delta += difference;
    squares += difference * difference;
  }
  CHECK(divergence.delta_p().value == doctest::Approx(delta / 89));
  CHECK(divergence.delta_p_rms() == doctest::Approx(std::sqrt(squares / 89)));
}

TEST_CASE("decoders that take other batches are read in step") {
  Tilted base(3, 0, 8), model(1, 0, 3);
  const Divergence apart = diverge(base, model, windows());
  Tilted same(1, 0, 8);
  CHECK(apart.mean().value == diverge(base, same, windows()).mean().value);
  DivergenceOptions halves = windows();
  halves.protocol = Protocol::Halves;
  CHECK(diverge(base, model, halves).tokens.size() == 4 * (kTiltedContext / 2 - 1));
}

TEST_CASE("a recorded base says what the running one says") {
  Tilted base(3, 0), model(1, 1, 5);
  cache::PagedKv first = new_cache(), second = new_cache();
  const auto pool = *Workers::create(2);
  const Divergence streamed = diverge(base, model, windows());
  for (const DType type : {DType::F32, DType::F16}) {
    const auto recorded =
        BaseLogits::record({base, first}, *pool, some_tokens(90), windows(), type);
    REQUIRE_MESSAGE(recorded.has_value(), recorded.error().message);
    CHECK(recorded->rows() == 89);
    for (int times = 0; times < 2; ++times) {
      const auto divergence = measure_divergence(*recorded, {model, second}, *pool);
      REQUIRE_MESSAGE(divergence.has_value(), divergence.error().message);
      // 0 and -3 are exact in F16.
      CHECK(divergence->mean().value == doctest::Approx(streamed.mean().value).epsilon(1e-12));
      CHECK(divergence->windows == streamed.windows);
      CHECK(second.free_pages() == second.page_count());
    }
  }
}

TEST_CASE("logits kept in F16 make some 1e-6 nats of none at most") {
  constexpr int kTokens = 4000, kRows = 50;
  Random random(5);
  std::vector<float> logits(kTokens), rounded(kTokens);
  for (int r = 0; r < kRows; ++r) {
    for (float& logit : logits) logit = static_cast<float>(random.uniform(92, 102));
    const float most = *std::max_element(logits.begin(), logits.end());
    for (size_t i = 0; i < logits.size(); ++i)
      rounded[i] = f16_to_f32(f32_to_f16(logits[i] - most));
    CHECK(compare(rounded, logits, 0).divergence < 3e-6);
    CHECK(compare(rounded, logits, 0).divergence > 0);
  }
}

TEST_CASE("a divergence is exact where floats would overflow or vanish") {
  const std::vector<float> up = {3e4f, -3e4f, 0}, down = {-3e4f, 3e4f, 0};
  CHECK(compare(up, down, 0).divergence == doctest::Approx(6e4));
  CHECK(compare(up, up, 0).divergence == 0);
  CHECK(compare(up, down, 1).surprise == 0);
  CHECK_FALSE(compare(up, down, 0).same_top);
  const std::vector<float> shifted = {3e4f + 1000, -3e4f + 1000, 1000};
  CHECK(compare(up, shifted, 0).divergence < 1e-9);
  const std::vector<float> broken = {1, std::numeric_limits<float>::quiet_NaN(), 0};
  CHECK(std::isnan(compare(up, broken, 0).divergence));
  CHECK_FALSE(std::isfinite(compare(broken, up, 0).divergence));
}

TEST_CASE("logits that are no numbers, foreign tokens and another vocabulary are refused") {
  Tilted base(3, 0), broken(std::numeric_limits<float>::quiet_NaN(), 0);
  model::FakeDecoder larger(kTiltedVocabulary + 1, 8, 8);
  cache::PagedKv first = new_cache(), second = new_cache();
  const auto pool = *Workers::create(1);
  const auto message = [&](model::Decoder& model, std::vector<int32_t> tokens) {
    const auto result =
        measure_divergence({base, first}, {model, second}, *pool, tokens, windows());
    return result ? std::string() : result.error().message;
  };
  CHECK(message(broken, some_tokens(30)).find("numbers as logits") != std::string::npos);
  CHECK(message(larger, some_tokens(30)) ==
        "vocabulary: expected 11 tokens as the base has, found 12");
  CHECK(message(base, {1, 2, 11}).find("below 11, found 11") != std::string::npos);
  const auto recorded =
      BaseLogits::record({base, first}, *pool, some_tokens(30), windows(), DType::F32);
  REQUIRE(recorded.has_value());
  CHECK_FALSE(measure_divergence(*recorded, {larger, second}, *pool).has_value());
}
