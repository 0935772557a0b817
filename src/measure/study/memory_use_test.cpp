#include "measure/study/memory_use.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "scratch_folder.h"

using namespace issun::measure;

TEST_CASE("peak, proportional memory and the group's peak are read where they stand") {
  const ScratchFolder scratch;
  const std::string proc = scratch.path("proc"), groups = scratch.path("groups");
  std::filesystem::create_directories(proc + "/self");
  std::ofstream(proc + "/self/status") << "Name:\tx\nVmHWM:\t  2048 kB\n";
  std::ofstream(proc + "/self/smaps_rollup")
      << "1-2 ---p [rollup]\nRss: 100 kB\nPss: 80 kB\nPss_Anon: 30 kB\nPss_File: 50 kB\n";
  std::ofstream(proc + "/self/cgroup") << "4:memory:/old\n0::/new\n";
  Metrics found = memory_use(proc, groups);
  CHECK(value_of(found, "peak_resident_bytes") == 2048 * 1024);
  CHECK(value_of(found, "pss_bytes") == 80 * 1024);
  CHECK(value_of(found, "pss_anonymous_bytes") == 30 * 1024);
  CHECK(value_of(found, "pss_file_bytes") == 50 * 1024);
  CHECK_FALSE(value_of(found, "cgroup_peak_bytes").has_value());
  std::filesystem::create_directories(groups + "/new");
  std::ofstream(groups + "/new/memory.peak") << "4096\n";
  CHECK(value_of(memory_use(proc, groups), "cgroup_peak_bytes") == 4096);
}

TEST_CASE("memory that the system does not tell is unavailable with the reason") {
  const Metrics none = memory_use("/no/such", "/no/such");
  for (const auto& [key, metric] : none) {
    const auto& which = key;
    CAPTURE(which);
    CHECK_FALSE(metric.value.has_value());
    CHECK_FALSE(metric.why.empty());
  }
  CHECK(none.size() == 5);
}

TEST_CASE("figures come back from their JSON, the missing ones with their reason") {
  const Metrics metrics = {{"a", measured(1.5)}, {"b", Measured::unavailable("no zone")}};
  const auto json = issun::Json::parse(R"({"a": 1.5, "b": "unavailable: no zone"})");
  REQUIRE(json.has_value());
  CHECK(metrics_from_json(*json).value() == metrics);
  CHECK_FALSE(metrics_from_json(*issun::Json::parse(R"({"a": "0"})")).has_value());
  CHECK_FALSE(metrics_from_json(*issun::Json::parse("[1]")).has_value());
}
