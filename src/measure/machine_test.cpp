#include "measure/machine.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "kernels/dispatch.h"

using namespace issun;
using namespace issun::measure;

TEST_CASE("peaks are those of a machine that can exist, and asked for once") {
  const auto pool = *Workers::create(1);
  Workers& workers = *pool;
  const kernels::KernelTable& table = *kernels::available_kernels().back();
  const auto peaks = machine_peaks(workers, table, Effort::Quick);
  REQUIRE(peaks.has_value());
  // From a slow board to ten times a fast core.
  CHECK(peaks->read_bytes_per_second > 1e8);
  CHECK(peaks->read_bytes_per_second < 1e12);
  const bool has_loops = std::string(table.name) != "scalar";
  CHECK((peaks->f32_operations_per_second > 1e8) == has_loops);
  CHECK(peaks->f32_operations_per_second < 4e12);
  CHECK((peaks->int8_operations_per_second > 1e8) == has_loops);
  CHECK((peaks->bf16_operations_per_second > 1e8) == (std::string(table.name) == "avx512bf16"));

  const double start = seconds_now();
  const auto again = machine_peaks(workers, table, Effort::Quick);
  CHECK(seconds_now() - start < 0.01);
  CHECK(again->read_bytes_per_second == peaks->read_bytes_per_second);
}

TEST_CASE("an instruction set without a loop says so instead of zero") {
  MachinePeaks peaks;
  peaks.int8_instruction = "unavailable";
  CHECK(to_json(peaks)["int8_gops"] == "unavailable");
}

TEST_CASE("the facts of the machine have something under every name") {
  const auto facts = machine_facts();
  for (const char* key : {"processor", "physical_cores", "logical_cores", "instruction_sets",
                          "caches", "memory_bytes", "governor", "kernel", "compiler"}) {
    CAPTURE(key);
    REQUIRE(facts.contains(key));
    CHECK_FALSE(facts[key].is_null());
  }
  CHECK(facts["physical_cores"] >= 1);
  CHECK(facts["instruction_sets"][0] == "scalar");
}
