#include "measure/bench.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "measure/bench_report.h"
#include "model/fake.h"
#include "shared_data.h"
#include "source_tree.h"

using namespace issun;
using namespace issun::measure;

namespace {

cache::PagedKv small_cache(int64_t tokens) {
  auto cache = cache::PagedKv::create(model::FakeDecoder::kv_shape(), tokens);
  REQUIRE(cache.has_value());
  return std::move(*cache);
}

}  // namespace

TEST_CASE("a prompt is read in batches, behind a context that is filled once") {
  model::FakeDecoder decoder(64, 32, 1);
  cache::PagedKv cache = small_cache(256);
  const auto times = run_bench(decoder, cache, {Phase::Prompt, 100, 50}, 3);
  REQUIRE_MESSAGE(times.has_value(), times.error().message);
  CHECK(times->seconds.size() == 3);
  CHECK(times->token_seconds.empty());
  CHECK(decoder.rows_run() == 50 + 4 * 100);  // the first of the four does not count
  CHECK(decoder.runs() == 2 + 4 * 4);
  CHECK(cache.free_pages() == cache.page_count());
}

TEST_CASE("generation runs token by token and times each") {
  model::FakeDecoder decoder(64, 32, 1);
  cache::PagedKv cache = small_cache(128);
  const auto times = run_bench(decoder, cache, {Phase::Generation, 10, 0}, 2);
  REQUIRE(times.has_value());
  CHECK(decoder.runs() == 3 * 10);
  CHECK(times->token_seconds.size() == 2 * 10);
  CHECK(times->tokens_per_second().least > 0);
  CHECK(times->tokens_per_second().least <= times->tokens_per_second().median);
  CHECK(times->tokens_per_second().median <= times->tokens_per_second().most);
}

TEST_CASE("several texts are written in one batch a token, each behind a context of its own") {
  model::FakeDecoder decoder(64, 32, 3);
  cache::PagedKv cache = small_cache(3 * 128);
  const BenchCase bench_case{Phase::Generation, 10, 70, 3};
  CHECK(name(bench_case) == "tg10 x 3 @ d70");
  const auto times = run_bench(decoder, cache, bench_case, 2);
  REQUIRE_MESSAGE(times.has_value(), times.error().message);
  CHECK(decoder.rows_run() == 3 * 70 + 3 * 10 * 3);
  CHECK(decoder.batches().back() == 3);
  CHECK(times->token_seconds.size() == 2 * 10);
  const double seconds = quantile(times->seconds, 0.5);
  CHECK(times->tokens_per_second().median == doctest::Approx(30 / seconds));
  CHECK(cache.free_pages() == cache.page_count());
  for (const int texts : {0, 4}) {
    const auto refused = run_bench(decoder, cache, {Phase::Generation, 10, 0, texts}, 1);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().message == name({Phase::Generation, 10, 0, texts}) +
                                         ": expected 1 to 3 texts at once, found " +
                                         std::to_string(texts));
  }
  CHECK_FALSE(run_bench(decoder, cache, {Phase::Prompt, 10, 0, 2}, 1).has_value());
  // Three texts of 65 tokens take two pages each, one more than there are.
  cache::PagedKv pages = small_cache(5 * 64);
  CHECK_FALSE(run_bench(decoder, pages, {Phase::Generation, 65, 0, 3}, 1).has_value());
  CHECK(run_bench(decoder, pages, {Phase::Generation, 64, 0, 3}, 1).has_value());
}

TEST_CASE("a case that does not fit the context is refused with both numbers") {
  model::FakeDecoder decoder(64, 32, 1);
  cache::PagedKv cache = small_cache(64);
  const auto times = run_bench(decoder, cache, {Phase::Prompt, 60, 5}, 1);
  REQUIRE_FALSE(times.has_value());
  CHECK(times.error().message == "pp60 @ d5: expected a context of at least 65 tokens, found 64");
  CHECK_FALSE(run_bench(decoder, cache, {Phase::Prompt, 0, 5}, 1).has_value());
}

TEST_CASE("quantiles lie between neighbours by proportion") {
  CHECK(quantile({3, 1, 2}, 0.5) == 2);
  CHECK(quantile({4, 1, 2, 3}, 0.5) == 2.5);
  CHECK(quantile({5}, 0.99) == 5);
  CHECK(quantile({0, 10}, 0.95) == doctest::Approx(9.5));
}

TEST_CASE("the cost of a token follows from the shapes of the model") {
  const std::string path = source_path("models/stories260K.gguf");
  if (!std::filesystem::exists(path)) {
    MESSAGE("skipped: no " << path);
    return;
  }
  engine::RuntimeOptions options;
  options.context = 256;
  options.max_rows = 32;
  options.key_type = options.value_type = DType::F32;
  const auto runtime = engine::Runtime::open(path, options);
  REQUIRE_MESSAGE(runtime.has_value(), runtime.error().message);
  // 5 layers of 64: q and o 64x64, k and v 32x64, three of 172x64; the output 512x64, an embedding
  // row.
  constexpr double kLayers = 5.0 * (2 * 64 * 64 + 2 * 32 * 64 + 3 * 172 * 64), kOutput = 512 * 64;
  const TokenCost written = token_cost({Phase::Generation, 9, 100}, **runtime);
  CHECK(written.operations == 2 * (kLayers + kOutput));
  // At position 104 on average, with its own 105 keys and values of 4 heads of 8 numbers in 5
  // layers.
  CHECK(written.bytes == 4 * (kLayers + kOutput + 64) + 105 * 5 * 2 * 4 * 8 * 4);
  CHECK(written.arithmetic == kernels::ActivationForm::Floats);
  const TokenCost read = token_cost({Phase::Prompt, 64, 0}, **runtime);
  CHECK(read.operations == 2 * kLayers);
  CHECK(read.bytes == 4 * (kLayers + kOutput + 64) / 32);
}

TEST_CASE("a report names what could not be measured instead of inventing it") {
  BenchFigures figures;
  figures.times.bench_case = {Phase::Prompt, 8, 0};
  figures.times.seconds = {2, 4, 8};
  figures.times.usage.wall_seconds = 14;
  figures.cost = {100, 1000, kernels::ActivationForm::Q8};
  figures.peaks.read_bytes_per_second = 400;
  const auto json = to_json(figures, "1.2.3");
  CHECK(json["tokens_per_second"]["min"] == 1.0);
  CHECK(json["tokens_per_second"]["median"] == 2.0);
  CHECK(json["tokens_per_second"]["max"] == 4.0);
  CHECK(json["share_of_read_bandwidth"] == 0.5);
  for (const char* key : {"share_of_arithmetic", "voluntary_switches", "major_faults", "ipc",
                          "energy_joules", "token_milliseconds"}) {
    CAPTURE(key);
    CHECK(json[key] == "unavailable");
  }
  CHECK(json["version"] == "1.2.3");
}
