#include "measure/study/summary.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "measure/study/report.h"

using namespace issun::measure;

namespace {

StudyPlan whole_plan() {
  StudyOptions options;
  options.contexts = {64, 128};
  options.repetitions = 2;
  options.text = "a text";
  options.prompts = {"one\ntwo", "<i>"};
  return make_plan(options,
                   {{.path = "a", .name = "a", .hash = "", .bytes = 1, .context_length = 512}})
      .value();
}

// Every run of the plan with a figure that grows with the repetition.
std::vector<StudyRecord> records_of(const StudyPlan& plan) {
  std::vector<StudyRecord> records;
  for (const StudyRun& run : plan.runs) {
    StudyRecord record;
    record.id = plan.id(run);
    record.order = static_cast<int>(records.size()) + 1;
    record.metrics["wall_seconds"] = measured(run.task == StudyTask::Speed ? 2 : 10);
    if (run.task == StudyTask::Speed) {
      record.metrics["generation_tokens_per_second"] = measured(9 + 2 * run.repetition);
      record.metrics["energy_gross_joules"] = Measured::unavailable("no \"zone\", here");
    }
    if (run.task == StudyTask::Quality) record.metrics["perplexity"] = measured(7.5);
    if (run.task == StudyTask::Text) record.answers = {{"x & y\nz", "end"}, {"w", "length"}};
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace

TEST_CASE("runs of one setting become a mean with its interval") {
  const StudyPlan plan = whole_plan();
  const StudySummary summary = summarise(plan, records_of(plan));
  CHECK(summary.groups.size() == 5);  // two of speed, two of quality, the answers
  CHECK(summary.done == 7);
  const StudyGroup* group = summary.first_speed(plan, 0);
  REQUIRE(group != nullptr);
  CHECK(group->context == 64);
  CHECK(group->runs == 2);
  const Spread* speed = group->find("generation_tokens_per_second");
  REQUIRE(speed != nullptr);
  CHECK(speed->mean == doctest::Approx(12));
  CHECK(speed->interval > 0);
  CHECK(summary.quality(0, 128)->find("perplexity")->mean == 7.5);
  CHECK(summary.unavailable.at("no \"zone\", here") == "energy, run, gross");
  CHECK(group->find("energy_gross_joules") == nullptr);  // and no zero in its place
}

TEST_CASE("a run that failed is counted and told, and its figures are not") {
  const StudyPlan plan = whole_plan();
  std::vector<StudyRecord> records = records_of(plan);
  const auto speed = std::find_if(records.begin(), records.end(), [](const StudyRecord& record) {
    return record.id.find("context 64") != std::string::npos && record.id.ends_with("run 1");
  });
  REQUIRE(speed != records.end());
  speed->failed = "no memory";
  const StudySummary summary = summarise(plan, records);
  CHECK(summary.failed == 1);
  CHECK(summary.failures[0].ends_with("no memory"));
  CHECK(summary.first_speed(plan, 0)->find("generation_tokens_per_second")->mean == 13);
}

TEST_CASE("the table of runs has a row each, with reasons quoted") {
  const StudyPlan plan = whole_plan();
  const std::string csv = study_csv(plan, records_of(plan));
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 8);
  CHECK(csv.find("\"unavailable: no \"\"zone\"\", here\"") != std::string::npos);
}

TEST_CASE("the time that is left is that of runs of the same kind") {
  const StudyPlan plan = whole_plan();
  std::vector<StudyRecord> records = records_of(plan);
  CHECK_FALSE(seconds_left(plan, {}).has_value());
  CHECK(seconds_left(plan, records) == 0);
  records.erase(std::remove_if(records.begin(), records.end(),
                               [](const StudyRecord& record) {
                                 return record.id.find("context 128") != std::string::npos;
                               }),
                records.end());
  CHECK(seconds_left(plan, records) == doctest::Approx(2 * 2 + 10));
}

TEST_CASE("the page stands alone, and texts cannot become markup") {
  const StudyPlan plan = whole_plan();
  const auto records = records_of(plan);
  const std::string page = study_report(plan, records, {{{"governor", "<performance>"}}});
  CHECK(page == study_report(plan, records, {{{"governor", "<performance>"}}}));
  for (const char* word : {"x &amp; y\nz", "one\ntwo", "&lt;i&gt;", "&lt;performance&gt;", "12 ± ",
                           "no &quot;zone&quot;, here", "<svg", "7 of 7 runs"}) {
    CAPTURE(word);
    CHECK(page.find(word) != std::string::npos);
  }
  CHECK(page.find("<i>") == std::string::npos);
  CHECK(page.find("<script") == std::string::npos);
  CHECK(study_report(plan, {}, {}).find("0 of 7 runs") != std::string::npos);
}
