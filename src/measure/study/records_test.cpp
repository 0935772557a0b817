#include "measure/study/records.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "scratch_folder.h"

using namespace issun;
using namespace issun::measure;

namespace {

StudyPlan small_plan(int generate = 32) {
  StudyOptions options;
  options.generate = generate;
  options.repetitions = 3;
  return make_plan(options,
                   {{.path = "a", .name = "a", .hash = "", .bytes = 1, .context_length = 512}})
      .value();
}

StudyRecord record_of(const StudyPlan& plan, size_t run, double value) {
  StudyRecord record;
  record.id = plan.id(plan.runs[run]);
  record.order = static_cast<int>(run) + 1;
  record.metrics = {{"load_seconds", measured(value)}, {"ipc", Measured::unavailable("a \"b\"")}};
  record.answers = {{"日本\n", "end"}};
  record.facts = {{"isa", "avx2"}};
  return record;
}

Result<StudyFolder> open(const ScratchFolder& scratch, const StudyPlan& plan) {
  return StudyFolder::open(scratch.path("study"), plan, to_json(plan, {{"isa", "x"}}));
}

}  // namespace

TEST_CASE("a record comes back from its line") {
  const StudyPlan plan = small_plan();
  const StudyRecord record = record_of(plan, 0, 0.1);
  const std::string line = to_line(record);
  CHECK(line.find('\n') == std::string::npos);
  const auto back = record_from_line(line);
  REQUIRE(back.has_value());
  CHECK(back->id == record.id);
  CHECK(back->metrics == record.metrics);
  CHECK(back->answers == record.answers);
  CHECK(back->facts == record.facts);
}

TEST_CASE("what was added is there when the folder is opened again") {
  const ScratchFolder scratch;
  const StudyPlan plan = small_plan();
  {
    auto folder = open(scratch, plan);
    REQUIRE(folder.has_value());
    CHECK(folder->add(record_of(plan, 0, 1)).has_value());
    CHECK(folder->add(record_of(plan, 1, 2)).has_value());
  }
  const auto folder = open(scratch, plan);
  REQUIRE(folder.has_value());
  CHECK(folder->records().size() == 2);
  CHECK(folder->has(plan.id(plan.runs[1])));
  CHECK_FALSE(folder->has(plan.id(plan.runs[2])));
}

TEST_CASE("a last line cut off anywhere is left out, and what follows is whole") {
  const StudyPlan plan = small_plan();
  const std::string first = to_line(record_of(plan, 0, 1)) + "\n",
                    second = to_line(record_of(plan, 1, 2)) + "\n";
  for (size_t cut = 0; cut < second.size(); ++cut) {
    const ScratchFolder scratch;
    { REQUIRE(open(scratch, plan).has_value()); }
    const std::string name = scratch.path("study/runs.jsonl");
    REQUIRE(write_atomically(name, first + second.substr(0, cut)).has_value());
    auto folder = open(scratch, plan);
    REQUIRE(folder.has_value());
    CHECK(folder->records().size() == 1);
    if (cut % 16 != 0) continue;
    CHECK(folder->add(record_of(plan, 2, 3)).has_value());
    CHECK(read_records(read_text(name).value(), "runs").value().size() == 2);
  }
}

TEST_CASE("a damaged line is named, unless it is the last") {
  const StudyPlan plan = small_plan();
  const std::string good = to_line(record_of(plan, 0, 1)) + "\n";
  CHECK(read_records(good + std::string(8, '\0') + "\n", "x").value().size() == 1);
  for (const std::string bad : {"{}", "[]", "x", "{\"run\": \"a\", \"order\": 1, \"metrics\": 3}",
                                "{\"run\": \"a\", \"order\": 1.5, \"metrics\": {}}", ""}) {
    CAPTURE(bad);
    const auto records = read_records(good + bad + "\n" + good, "runs.jsonl");
    REQUIRE_FALSE(records.has_value());
    CHECK(records.error().message.find("line 2") != std::string::npos);
  }
}

TEST_CASE("a folder with another plan, or with a foreign run, is refused") {
  const ScratchFolder scratch;
  const StudyPlan plan = small_plan();
  { REQUIRE(open(scratch, plan).has_value()); }
  const auto other = open(scratch, small_plan(31));
  REQUIRE_FALSE(other.has_value());
  CHECK(other.error().message.find("generate is 32 there and 31 here") != std::string::npos);
  const auto machine =
      StudyFolder::open(scratch.path("study"), plan, to_json(plan, {{"isa", "y"}}));
  REQUIRE_FALSE(machine.has_value());
  CHECK(machine.error().message.find("conditions: isa") != std::string::npos);
  StudyRecord foreign = record_of(plan, 0, 1);
  foreign.id = "another";
  REQUIRE(write_atomically(scratch.path("study/runs.jsonl"), to_line(foreign) + "\n").has_value());
  CHECK_FALSE(open(scratch, plan).has_value());
}
