#include "base/perf_counters.h"

#include <doctest/doctest.h>

using namespace issun;

TEST_CASE("a counter has a value or says why not") {
  const PerfCounters counters;
  const PerfCounters::Counts before = counters.read();
  volatile double x = 1;
  for (int i = 0; i < 1000000; ++i) x = x * 1.0000001;
  const PerfCounters::Counts cost = counters.read() - before;
  for (size_t kind = 0; kind < cost.size(); ++kind) {
    CAPTURE(kind);
    CAPTURE(cost[kind].why);
    CHECK(cost[kind].available() == cost[kind].why.empty());
  }
  if (cost[PerfCounters::Instructions].available())
    CHECK(cost[PerfCounters::Instructions].value > 1e6);
}

TEST_CASE("a difference is missing where either side is") {
  PerfCounters::Counts before, after;
  before[0].value = 3, after[0].value = 10;
  before[1].why = "no permission";
  after[2].why = "gone";
  const PerfCounters::Counts cost = after - before;
  CHECK(cost[0].value == 7);
  CHECK(cost[1].why == "no permission");
  CHECK(cost[2].why == "gone");
}
