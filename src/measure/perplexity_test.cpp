#include "measure/perplexity.h"

#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/runtime.h"
#include "model/fake.h"
#include "shared_data.h"
#include "source_tree.h"

using namespace issun;
using namespace issun::measure;

namespace {

std::vector<float> read_floats(const std::string& relative) {
  const std::vector<std::byte> bytes = read_shared(relative);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

// The definition, as plainly as it can be written.
long double plain_surprise(const float* logits, int vocabulary, int target) {
  long double sum = 0;
  for (int i = 0; i < vocabulary; ++i)
    sum += std::exp(static_cast<long double>(logits[i]) - logits[target]);
  return std::log(sum);
}

// Mean surprise of tokens[1..] under rows of golden logits.
double golden_mean(const std::vector<float>& logits, const std::vector<int32_t>& tokens) {
  const size_t vocabulary = logits.size() / tokens.size();
  long double sum = 0;
  for (size_t t = 0; t + 1 < tokens.size(); ++t) {
    sum +=
        plain_surprise(logits.data() + t * vocabulary, static_cast<int>(vocabulary), tokens[t + 1]);
  }
  return static_cast<double>(sum / static_cast<long double>(tokens.size() - 1));
}

PerplexityOptions strided(int context, int stride) {
  PerplexityOptions options;
  options.context = context;
  options.stride = stride;
  return options;
}

Surprise run_model(const std::string& relative, std::span<const int32_t> tokens, bool exact,
                   int outputs) {
  engine::RuntimeOptions options;
  options.threads = 2;
  options.context = 512;
  options.max_rows = 32;
  options.max_outputs = outputs;
  options.key_type = options.value_type = DType::F32;
  options.exact = exact;
  auto runtime = engine::Runtime::open(shared_path(relative), options);
  REQUIRE_MESSAGE(runtime.has_value(), runtime.error().message);
  auto cache = (*runtime)->new_cache();
  REQUIRE(cache.has_value());
  const auto surprise = measure_surprise((*runtime)->forward(), *cache, (*runtime)->workers(),
                                         tokens, [](int32_t) { return 1; }, strided(512, 256));
  REQUIRE_MESSAGE(surprise.has_value(), surprise.error().message);
  CHECK(surprise->tokens == static_cast<int64_t>(tokens.size()) - 1);
  return *surprise;
}

}  // namespace

TEST_CASE("surprise is exact where a float sum would overflow or vanish") {
  const std::vector<float> huge = {3e4f, 3e4f, -3e4f, 2.9e4f};
  CHECK(negative_log_likelihood(huge, 0) == doctest::Approx(std::log(2.0)).epsilon(1e-12));
  CHECK(negative_log_likelihood(huge, 2) == doctest::Approx(6e4 + std::log(2.0)).epsilon(1e-12));
  const std::vector<float> even(1000, -7.5f);
  CHECK(negative_log_likelihood(even, 999) == doctest::Approx(std::log(1000.0)).epsilon(1e-12));
}

TEST_CASE("strided windows score every token but the first exactly once, with enough before it") {
  for (const int64_t tokens : {2, 3, 99, 100, 101, 149, 150, 1000}) {
    for (const int stride : {1, 30, 50, 99}) {
      CAPTURE(tokens);
      CAPTURE(stride);
      const auto windows = plan_windows(tokens, strided(100, stride));
      REQUIRE(windows.has_value());
      int64_t next = 1;
      for (const Window& window : *windows) {
        CHECK(window.first_scored == next);
        CHECK(window.end - window.begin <= 100);
        const int64_t before = window.first_scored - window.begin;
        CHECK(before >= (window.begin == 0 ? 1 : 100 - stride));
        next = window.end;
      }
      CHECK(next == tokens);
    }
  }
}

TEST_CASE("halves score the second half of whole windows alone") {
  PerplexityOptions options = strided(512, 512);
  options.protocol = Protocol::Halves;
  const auto windows = plan_windows(1300, options);
  REQUIRE(windows.has_value());
  REQUIRE(windows->size() == 2);
  CHECK((*windows)[1].begin == 512);
  CHECK((*windows)[1].end == 1024);
  CHECK((*windows)[1].first_scored == 512 + 257);  // 255 tokens a window
}

TEST_CASE("windows that cannot be are refused") {
  CHECK_FALSE(plan_windows(100, strided(1, 1)).has_value());
  CHECK_FALSE(plan_windows(100, strided(64, 0)).has_value());
  CHECK_FALSE(plan_windows(100, strided(64, 65)).has_value());
  CHECK_FALSE(plan_windows(1, strided(64, 32)).has_value());
  PerplexityOptions halves = strided(64, 32);
  halves.protocol = Protocol::Halves;
  CHECK_FALSE(plan_windows(63, halves).has_value());
}

TEST_CASE("every window begins anew, with the begin token in front, whatever the batches") {
  constexpr int kVocabulary = 11, kContext = 20, kStride = 7, kBos = 4;
  std::vector<int32_t> tokens;
  for (int t = 0; t < 90; ++t) {
    // Often what the fake expects, so that hits and misses both occur.
    tokens.push_back(
        t % 3 == 0 || t < 2
            ? (t * 5) % kVocabulary
            : model::FakeDecoder::next(std::span(tokens).first(tokens.size()), kVocabulary));
  }
  PerplexityOptions options = strided(kContext, kStride);
  options.bos = kBos;
  // The fake gives its choice 10 and all others 0.
  const double hit = std::log(std::exp(10.0) + kVocabulary - 1) - 10, miss = hit + 10;
  double expected = 0;
  const auto windows = plan_windows(90, options);
  REQUIRE(windows.has_value());
  for (const Window& window : *windows) {
    std::vector<int32_t> seen(tokens.begin() + window.begin, tokens.begin() + window.end);
    seen[0] = kBos;
    for (int64_t t = window.first_scored; t < window.end; ++t) {
      const auto before =
          std::span<const int32_t>(seen).first(static_cast<size_t>(t - window.begin));
      expected += model::FakeDecoder::next(before, kVocabulary) == tokens[static_cast<size_t>(t)]
                      ? hit
                      : miss;
    }
  }
  for (const int rows : {1, 3, 64}) {
    CAPTURE(rows);
    model::FakeDecoder decoder(kVocabulary, rows, 8);
    auto cache = cache::PagedKv::create(model::FakeDecoder::kv_shape(), kContext);
    REQUIRE(cache.has_value());
    const auto pool = *Workers::create(2);
    Workers& workers = *pool;
    const auto surprise = measure_surprise(
        decoder, *cache, workers, tokens, [](int32_t token) { return token; }, options);
    REQUIRE_MESSAGE(surprise.has_value(), surprise.error().message);
    CHECK(surprise->tokens == 89);
    CHECK(surprise->sum == doctest::Approx(expected).epsilon(1e-9));
    int64_t bytes = 0;
    for (size_t t = 1; t < tokens.size(); ++t) bytes += tokens[t];
    CHECK(surprise->bytes == bytes);
    CHECK(cache->free_pages() == cache->page_count());
  }
}

TEST_CASE("the figures follow from the sums") {
  Surprise surprise;
  surprise.tokens = 4;
  surprise.bytes = 8;
  for (const double nats : {1.0, 2.0, 3.0, 2.0}) {
    surprise.sum += nats;
    surprise.sum2 += nats * nats;
  }
  CHECK(surprise.perplexity() == doctest::Approx(std::exp(2.0)));
  CHECK(surprise.standard_error() == doctest::Approx(std::sqrt(0.5 / 3)));
  CHECK(surprise.perplexity_error() == doctest::Approx(std::exp(2.0) * std::sqrt(0.5 / 3)));
  CHECK(surprise.bits_per_byte() == doctest::Approx(1 / std::log(2.0)));
  CHECK(surprise.bits_per_token() == doctest::Approx(2 / std::log(2.0)));
}

TEST_CASE("a token outside the vocabulary is refused") {
  model::FakeDecoder decoder(11, 8, 8);
  auto cache = cache::PagedKv::create(model::FakeDecoder::kv_shape(), 64);
  const auto pool = *Workers::create(1);
  Workers& workers = *pool;
  const std::vector<int32_t> tokens = {1, 2, 11};
  CHECK_FALSE(measure_surprise(
                  decoder, *cache, workers, tokens, [](int32_t) { return 1; }, strided(64, 32))
                  .has_value());
}

TEST_CASE("surprise equals that of the golden logits") {
  if (!have_shared("conformance/arch/llama3.json")) return;
  for (const char* model : {"llama3", "llama2", "llama-q8_0"}) {
    CAPTURE(model);
    const std::string path = std::string("conformance/arch/") + model;
    std::ifstream file(shared_path(path + ".json"));
    const auto tokens = nlohmann::json::parse(file)["tokens"].get<std::vector<int32_t>>();
    const double golden = golden_mean(read_floats(path + ".ref.f32"), tokens);
    // Logits have a standard deviation of 2 and come within 1e-9 of their power: 6e-5 each, less on
    // average.
    CHECK(std::abs(run_model(path + ".gguf", tokens, true, 16).mean() - golden) < 1e-4);
  }
}

TEST_CASE("a trained model is as surprised by its own story as the reference program") {
  if (!have_shared("data/weights/golden/stories260K.once.tokens.txt")) return;
  std::ifstream file(shared_path("data/weights/golden/stories260K.once.tokens.txt"));
  const std::vector<int32_t> tokens{std::istream_iterator<int32_t>(file),
                                    std::istream_iterator<int32_t>()};
  const double golden =
      golden_mean(read_floats("data/weights/golden/stories260K.once.logits.f32"), tokens);
  const Surprise surprise =
      run_model("data/weights/stories260K/stories260Ktok512.gguf", tokens, true, 32);
  CHECK(std::abs(surprise.mean() - golden) < 1e-4);
  CHECK(surprise.perplexity() < 5);
}

TEST_CASE("halves equal the perplexity that the most used engine finds") {
  if (!have_shared("data/corpora/tinyshakespeare/input.txt")) return;
  const std::string path = source_path("models/stories260K.gguf");
  engine::RuntimeOptions options;
  options.context = 256;
  options.max_outputs = 64;
  options.key_type = options.value_type = DType::F32;
  auto runtime = engine::Runtime::open(path, options);
  REQUIRE_MESSAGE(runtime.has_value(), runtime.error().message);
  const tokenizer::Tokenizer& tokenizer = (*runtime)->model().tokenizer;
  const std::vector<std::byte> bytes = read_shared("data/corpora/tinyshakespeare/input.txt");
  auto tokens = tokenizer.encode({reinterpret_cast<const char*>(bytes.data()), 60000});
  REQUIRE(tokens.has_value());
  tokens->resize(16 * 256);
  auto cache = (*runtime)->new_cache();
  REQUIRE(cache.has_value());
  PerplexityOptions halves = strided(256, 256);
  halves.protocol = Protocol::Halves;
  halves.bos = tokenizer.bos();
  const auto surprise = measure_surprise((*runtime)->forward(), *cache, (*runtime)->workers(),
                                         *tokens, [](int32_t) { return 1; }, halves);
  REQUIRE_MESSAGE(surprise.has_value(), surprise.error().message);
  CHECK(surprise->tokens == 16 * 127);
  // llama-perplexity -c 256 -ctk f32 -ctv f32 -fa off prints 69.5653 after sixteen chunks.
  CHECK(std::abs(surprise->perplexity() - 69.5653) < 1e-3);
}
