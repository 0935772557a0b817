// A draft model beside a runtime.
#include <doctest/doctest.h>

#include "engine/model_drafter.h"
#include "source_tree.h"

using namespace issun;
using namespace issun::engine;

namespace {

std::unique_ptr<model::Model> issun_27m() {
  return *model::Model::open(source_path("models/issun-27m.gguf"));
}

}  // namespace

TEST_CASE("A model whose weights come and go takes no draft model, asked for or not") {
  RuntimeOptions options;
  options.threads = 1;
  options.context = 64;
  options.max_rows = 16;
  const auto whole = *Runtime::start(issun_27m(), options);
  REQUIRE(whole->residency() == nullptr);
  CHECK(start_draft_model(issun_27m(), *whole, 0.5).has_value());
  auto larger = issun_27m();
  const model::MemoryPlan plan = plan_memory(*larger, whole->kernels(), whole->options());
  options.rows_chosen = true;
  options.memory_bytes = plan.total() + (int64_t{4} << 20) - plan.weights / 8;
  const auto streams = Runtime::start(std::move(larger), options);
  if (!streams) FAIL(streams.error().message);
  REQUIRE((*streams)->residency() != nullptr);
  const auto refused = start_draft_model(issun_27m(), **streams, 0.5);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.starts_with("draft model: expected a model that has all"));
  // Nor one whose weights will come and go once its cache has grown.
  options.context = 2048;
  auto later = issun_27m();
  const auto resolved = *resolve(options, later->config);
  const model::MemoryPlan full = plan_memory(*later, whole->kernels(), resolved);
  options.memory_bytes = full.total() + (int64_t{8} << 20) - full.cache / 2;
  const auto mapped = Runtime::start(std::move(later), options);
  if (!mapped) FAIL(mapped.error().message);
  CHECK((*mapped)->residency() == nullptr);
  REQUIRE((*mapped)->may_stream());
  CHECK_FALSE(start_draft_model(issun_27m(), **mapped, 0.5).has_value());
}
