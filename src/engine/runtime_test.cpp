// How a model's memory is divided before it is loaded.
#include "engine/runtime.h"

#include <doctest/doctest.h>

#include "kernels/dispatch.h"
#include "source_tree.h"

using namespace issun;
using namespace issun::engine;

namespace {

RuntimeOptions with_rows(int max_rows) {
  RuntimeOptions options;
  options.threads = 1;
  options.context = 2048;
  options.max_rows = max_rows;
  return options;
}

}  // namespace

TEST_CASE("Where all but the computation of long batches fits, batches are shorter and all stays") {
  const auto model = *model::Model::open(source_path("models/issun-27m.gguf"));
  const kernels::KernelTable& kernels = **kernels::choose_kernels();
  RuntimeOptions options = with_rows(2048);
  // What the program takes beside is counted as it is now, and grows a little meanwhile.
  const auto total = [&](int rows) {
    RuntimeOptions some = options;
    some.max_rows = rows;
    return plan_memory(*model, kernels, some).total();
  };
  constexpr int64_t kBeside = int64_t{8} << 20;
  REQUIRE(total(256) + 2 * kBeside < total(2048));
  options.memory_bytes = total(2048) + kBeside;
  const auto whole = choose_memory(*model, kernels, options);
  REQUIRE_MESSAGE(whole.has_value(), whole.error().message);
  CHECK(whole->options.max_rows == 2048);
  options.memory_bytes = total(2048) - kBeside;
  const auto narrow = choose_memory(*model, kernels, options);
  REQUIRE_MESSAGE(narrow.has_value(), narrow.error().message);
  CHECK_FALSE(narrow->streams);
  CHECK(narrow->options.max_rows == 256);
  // Not where another number was asked for, or more rows have to go at once.
  for (const bool chosen : {true, false}) {
    RuntimeOptions other = options;
    other.rows_chosen = chosen;
    other.max_outputs = chosen ? 1 : 257;
    const auto choice = choose_memory(*model, kernels, other);
    CHECK((!choice.has_value() || choice->streams));
  }
}

TEST_CASE("Where all but most of the cache fits, weights stay mapped until the cache grows") {
  const auto model = *model::Model::open(source_path("models/issun-27m.gguf"));
  const kernels::KernelTable& kernels = **kernels::choose_kernels();
  const RuntimeOptions options = with_rows(64);
  const model::MemoryPlan plan = plan_memory(*model, kernels, options);
  constexpr int64_t kBeside = int64_t{8} << 20;
  REQUIRE(plan.cache >= 2 * kBeside);
  const auto choose = [&](int64_t cache, const RuntimeOptions& with) {
    RuntimeOptions some = with;
    some.memory_bytes = plan.total() - plan.cache + cache + kBeside;
    return choose_memory(*model, kernels, some);
  };
  const auto half = choose(plan.cache / 2, options);
  REQUIRE_MESSAGE(half.has_value(), half.error().message);
  CHECK(half->streams);
  const int64_t room = half->options.residency.mapped_cache_bytes;
  CHECK(room > plan.cache / 2 - kBeside);
  CHECK(room < plan.cache / 2 + kBeside);
  // Whatever is in use, it is within the memory there may be.
  CHECK(half->plan.total() <= half->options.memory_bytes);
  CHECK(plan.total() - plan.cache + room <= half->options.memory_bytes);

  const auto little = choose(0, options);
  CHECK((!little.has_value() || little->options.residency.mapped_cache_bytes == 0));
  // Nor where it was asked for, by a flag that says how weights come and go, or otherwise.
  for (const bool flag : {true, false}) {
    RuntimeOptions at_once = options;
    if (flag)
      at_once.must_stream = "--io-threads";
    else
      at_once.stream_at_once = true;
    const auto streams = choose(plan.cache / 2, at_once);
    REQUIRE(streams.has_value());
    CHECK(streams->streams);
    CHECK(streams->options.residency.mapped_cache_bytes == 0);
  }
  // Where shorter batches make that room, batches are shorter.
  RuntimeOptions long_batches = options;
  long_batches.max_rows = 2048;
  const auto shorter = choose(plan.cache / 2, long_batches);
  REQUIRE(shorter.has_value());
  CHECK(shorter->options.residency.mapped_cache_bytes >= plan.cache / 4);
  CHECK(shorter->options.max_rows <= 256);
}
