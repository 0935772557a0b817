#include "measure/study/runner.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "scratch_folder.h"

using namespace issun;
using namespace issun::measure;

namespace {

// What a made-up program printed, as the study's record of it.
StudyRecord run_other(const std::string& command, double timeout = 0) {
  const ScratchFolder scratch;
  StudyOptions options;
  options.repetitions = 1;
  options.prompts = {"a"};
  options.others = {parse_arm("peer=llama-bench:" + command).value()};
  const StudyPlan plan = make_plan(options, {}).value();
  const StudyFolder folder =
      StudyFolder::open(scratch.path("study"), plan, to_json(plan, {})).value();
  StudyRunner runner = StudyRunner::create(plan, folder,
                                           {.program = "none",
                                            .idle_seconds = 0.01,
                                            .timeout_seconds = timeout,
                                            .powercap = scratch.path("no-powercap")})
                           .value();
  const auto record = runner.run(plan.runs[0]);
  REQUIRE(record.has_value());
  REQUIRE(record->has_value());
  return **record;
}

}  // namespace

TEST_CASE("another program's figures are read and its resources measured from outside") {
  const StudyRecord record = run_other(
      "echo '[{\"n_prompt\":4,\"n_gen\":0,\"avg_ts\":7.5},{\"n_prompt\":0,\"n_gen\":2,\"avg_ts\":"
      "3}]' #");
  CHECK(record.failed.empty());
  CHECK(record.id == "speed, peer, run 1");
  CHECK(record.order == 1);
  CHECK(value_of(record.metrics, "prompt_tokens_per_second") == 7.5);
  CHECK(value_of(record.metrics, "generation_tokens_per_second") == 3);
  CHECK(value_of(record.metrics, "peak_resident_bytes").value_or(0) > 1000);
  CHECK_FALSE(value_of(record.metrics, "energy_gross_joules").has_value());
  CHECK(record.metrics.at("energy_net_joules").why.find("no energy counter") != std::string::npos);
  CHECK_FALSE(record.metrics.contains("energy_estimate_joules"));
}

TEST_CASE("a run that fails is a record that says why") {
  CHECK(run_other("sh -c 'echo broken >&2; exit 3' x").failed == "ended with status 3: broken");
  CHECK(run_other("echo nothing").failed.find("array") != std::string::npos);
  CHECK(run_other("sleep 60 #", 0.2).failed.find("stopped after") != std::string::npos);
}

TEST_CASE("net energy is gross less the idle power of the same seconds") {
  Metrics metrics = {{"first_token_seconds", measured(2)},
                     {"prompt_tokens", measured(100)},
                     {"prompt_gross_joules_per_token", measured(0.5)},
                     {"generation_seconds", measured(10)},
                     {"generated_tokens", measured(21)},
                     {"generation_gross_joules_per_token", measured(8)}};
  add_outside({.wall_seconds = 20,
               .use = {.user_seconds = 9, .system_seconds = 1},
               .joules = 200,
               .idle_before = 4,
               .idle_after = 6,
               .why_no_energy = ""},
              30, 2, metrics);
  CHECK(value_of(metrics, "energy_net_joules") == doctest::Approx(200 - 5 * 20));
  CHECK(value_of(metrics, "prompt_net_joules_per_token") == doctest::Approx(0.5 - 5 * 0.02));
  CHECK(value_of(metrics, "generation_net_joules_per_token") == doctest::Approx(8 - 5 * 0.5));
  // Half of one core of two: a quarter of 30 W for 20 s.
  CHECK(value_of(metrics, "energy_estimate_joules") == doctest::Approx(150));
  CHECK(value_of(metrics, "energy_estimate_watt_hours") == doctest::Approx(150.0 / 3600));
  CHECK(idle_disagrees(metrics));
  metrics["idle_watts_after"] = measured(4.3);
  CHECK_FALSE(idle_disagrees(metrics));
}

TEST_CASE("without an idle measurement there is no net energy") {
  Metrics metrics;
  add_outside({.wall_seconds = 1,
               .use = {},
               .joules = 5,
               .idle_before = {},
               .idle_after = {},
               .why_no_energy = "x"},
              {}, 2, metrics);
  CHECK(value_of(metrics, "energy_gross_joules") == 5);
  CHECK_FALSE(metrics.at("energy_net_joules").value.has_value());
}
