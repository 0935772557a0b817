#include "measure/study/plan.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

using namespace issun::measure;

namespace {

std::vector<StudyModel> two_models() {
  return {{.path = "a.gguf", .name = "a", .hash = "1", .bytes = 10, .context_length = 1024},
          {.path = "b.gguf", .name = "b", .hash = "2", .bytes = 20, .context_length = 512}};
}

StudyOptions small() {
  StudyOptions options;
  options.contexts = {256, 1024};
  options.threads = {1, 2};
  options.repetitions = 3;
  return options;
}

std::vector<std::string> ids(const StudyPlan& plan) {
  std::vector<std::string> list;
  for (const StudyRun& run : plan.runs) list.push_back(plan.id(run));
  return list;
}

size_t count(const StudyPlan& plan, StudyTask task) {
  return static_cast<size_t>(std::count_if(plan.runs.begin(), plan.runs.end(),
                                           [&](const StudyRun& run) { return run.task == task; }));
}

}  // namespace

TEST_CASE("all factors are crossed, and what a model cannot do is left out and said") {
  StudyOptions options = small();
  options.text = "some text";
  options.prompts = {"one", "two"};
  const auto plan = make_plan(options, two_models());
  REQUIRE(plan.has_value());
  // a: 2 contexts x 2 threads x 3; b: 1 x 2 x 3.
  CHECK(count(*plan, StudyTask::Speed) == 12 + 6);
  CHECK(count(*plan, StudyTask::Quality) == 2 + 1);
  CHECK(count(*plan, StudyTask::Text) == 2);
  REQUIRE(plan->left_out.size() == 1);
  CHECK(plan->left_out[0].find("512") != std::string::npos);
  const auto names = ids(*plan);
  CHECK(std::set<std::string>(names.begin(), names.end()).size() == names.size());
}

TEST_CASE("the seed alone chooses the order") {
  const auto one = make_plan(small(), two_models()).value();
  StudyOptions other = small();
  other.seed = 2;
  const auto two = make_plan(other, two_models()).value();
  CHECK(ids(one) == ids(make_plan(small(), two_models()).value()));
  CHECK(ids(one) != ids(two));
  auto a = ids(one), b = ids(two);
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  CHECK(a == b);
}

TEST_CASE("a sweep adds what is not there already") {
  StudyOptions options;
  options.repetitions = 1;
  options.threads = {2};
  options.contexts = {256};
  options.sweep_threads = options.sweep_contexts = true;
  options.sweep_to_threads = 4;
  const auto plan = make_plan(options, {two_models()[0]}).value();
  // Threads 1, 2, 3, 4 at 256; contexts 128, 512, 1024 with 2 threads.
  CHECK(plan.runs.size() == 4 + 3);
}

TEST_CASE("sweeps go by small steps first and end where the machine does") {
  CHECK(thread_sweep(1) == std::vector<int>{1});
  CHECK(thread_sweep(6) == std::vector<int>{1, 2, 3, 4, 5, 6});
  CHECK(thread_sweep(28) == std::vector<int>{1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 28});
  CHECK(thread_sweep(100).back() == 100);
  CHECK(context_sweep(600) == std::vector<int>{128, 256, 512});
  CHECK(context_sweep(1 << 20).back() == 16384);
}

TEST_CASE("what cannot be planned is refused by name") {
  const auto refused = [](StudyOptions options, const char* word) {
    const auto plan = make_plan(std::move(options), two_models());
    REQUIRE_FALSE(plan.has_value());
    CAPTURE(plan.error().message);
    CHECK(plan.error().message.find(word) != std::string::npos);
  };
  StudyOptions options = small();
  options.key_types = {"q9"};
  refused(options, "q9");
  options.key_types = {"i8"};
  refused(options, "i8");
  options = small();
  options.contexts = {16};
  refused(options, "--context");
  options.contexts = {1 << 20};
  refused(options, "nothing is left");
  options = small();
  options.others = {parse_arm("x=llama-bench:true").value(), parse_arm("x=llama-bench:a").value()};
  refused(options, "twice");
}

TEST_CASE("another program is crossed with what its command has a place for") {
  const auto fixed = parse_arm("peer=llama-bench:bench -m x.gguf");
  REQUIRE(fixed.has_value());
  CHECK(fixed->name == "peer");
  CHECK(fixed->command == "bench -m x.gguf");
  CHECK_FALSE(fixed->takes_threads);
  const auto crossed = parse_arm("peer2=llama-bench:bench -t {threads} -p {prompt}").value();
  CHECK(crossed.takes_threads);
  CHECK(crossed.takes_context);
  StudyOptions options = small();
  options.others = {*fixed, crossed};
  const auto plan = make_plan(options, {}).value();
  CHECK(plan.runs.size() == 3 + 4 * 3);
  for (const char* wrong : {"peer", "=llama-bench:x", "peer=llama-bench:", "peer=other:x",
                            "peer=openai:http://localhost"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_arm(wrong).has_value());
  }
}

TEST_CASE("the plan as JSON differs where the study does") {
  StudyOptions other = small();
  other.generate = 31;
  const auto one = to_json(make_plan(small(), two_models()).value(), {});
  CHECK(one == to_json(make_plan(small(), two_models()).value(), {}));
  CHECK(one != to_json(make_plan(other, two_models()).value(), {}));
  CHECK(one != to_json(make_plan(small(), two_models()).value(), {{"isa", "scalar"}}));
}
