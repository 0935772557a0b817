// How a model's memory is divided before it is loaded.
#include "engine/runtime.h"

#include <doctest/doctest.h>

#include "kernels/dispatch.h"
#include "source_tree.h"

using namespace issun;
using namespace issun::engine;

TEST_CASE("Where all but the computation of long batches fits, batches are shorter and all stays") {
  const auto model = *model::Model::open(source_path("models/issun-27m.gguf"));
  const kernels::KernelTable& kernels = **kernels::choose_kernels();
  RuntimeOptions options;
  options.threads = 1;
  options.context = 512;
  options.max_rows = 512;
  const auto total = [&](int rows) {
    RuntimeOptions some = options;
    some.max_rows = rows;
    return plan_memory(*model, kernels, some).total();
  };
  REQUIRE(total(64) < total(128));
  constexpr int64_t kReserve = int64_t{6} << 20;  // more than what is kept back of so little
  const auto chosen = [&](int64_t memory) {
    options.memory_bytes = memory;
    return *choose_memory(*model, kernels, options);
  };
  CHECK(chosen(total(512) + kReserve).options.max_rows == 512);
  for (const int rows : {256, 128, 64}) {
    const MemoryChoice choice = chosen(total(rows) + kReserve);
    CHECK_FALSE(choice.streams);
    CHECK(choice.options.max_rows >= rows);
    CHECK(choice.options.max_rows < 512);
    CHECK(choice.plan.total() <= total(rows) + kReserve);
  }
  const int64_t little = total(64) + kReserve;
  // Not where another number was asked for, or that many rows have to go at once.
  options.rows_chosen = true;
  options.memory_bytes = little;
  const auto streams = choose_memory(*model, kernels, options);
  CHECK((!streams.has_value() || streams->streams));
  options.rows_chosen = false;
  options.max_sequences = 65;
  options.context = 8;
  CHECK(chosen(total(64) + kReserve).options.max_rows >= 65);
}
