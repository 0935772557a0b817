#include "measure/study/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "cache/paged_kv.h"
#include "measure/random_rows.h"

namespace issun::measure {

namespace {

// What the engine itself says to a cache of these types: the one list of them is there.
Result<void> check_types(const std::string& key, const std::string& value) {
  const auto key_type = dtype_from_name(key), value_type = dtype_from_name(value);
  if (!key_type) return fail("--cache-type-k: '{}' is no number format", key);
  if (!value_type) return fail("--cache-type-v: '{}' is no number format", value);
  cache::KvShape shape;
  shape.layers.push_back({.kv_heads = 1, .key_width = 256, .value_width = 256});
  shape.key_type = *key_type;
  shape.value_type = *value_type;
  const auto cache = cache::PagedKv::create(std::move(shape), 1);
  if (!cache) return fail("cache types {} and {}: {}", key, value, cache.error().message);
  return {};
}

Result<void> check(const StudyOptions& options) {
  for (const std::string& key : options.key_types) {
    for (const std::string& value : options.value_types) TRY(check_types(key, value));
  }
  const bool complete = !options.key_types.empty() && !options.value_types.empty() &&
                        !options.rotations.empty() && !options.contexts.empty() &&
                        !options.threads.empty();
  if (!complete) return fail("study: expected a value for every factor");
  for (const int context : options.contexts) {
    if (context > options.generate) continue;
    return fail("--context: expected more than the {} tokens that are generated, found {}",
                options.generate, context);
  }
  return {};
}

class Planner {
 public:
  explicit Planner(StudyPlan& plan) : plan_(plan) {}

  Result<void> add_arms() {
    const StudyOptions& options = plan_.options;
    for (size_t m = 0; m < plan_.models.size(); ++m) {
      for (const std::string& key : options.key_types) {
        for (const std::string& value : options.value_types) {
          for (const std::string& rotation : options.rotations)
            add_arm(static_cast<int>(m), key, value, rotation);
        }
      }
    }
    plan_.arms.insert(plan_.arms.end(), options.others.begin(), options.others.end());
    std::set<std::string> names;
    for (const StudyArm& arm : plan_.arms) {
      if (!names.insert(arm.name).second)
        return fail("{}: expected every arm once, found it twice", arm.name);
    }
    return {};
  }

  void add_runs(int arm) {
    const StudyArm& what = plan_.arms[static_cast<size_t>(arm)];
    if (what.kind != StudyArm::Kind::Issun) {
      add_other(arm, what);
      return;
    }
    const StudyModel& model = plan_.models[static_cast<size_t>(what.model)];
    const StudyOptions& options = plan_.options;
    std::vector<int> contexts = options.contexts;
    std::erase_if(contexts, [&](int context) { return context > model.context_length; });
    if (contexts.size() < options.contexts.size()) {
      plan_.left_out.push_back(
          fmt::format("{}: contexts beyond the {} tokens that the model was trained with",
                      what.name, model.context_length));
    }
    if (contexts.empty()) return;
    for (const int context : contexts) {
      for (const int threads : options.threads) add_speed(arm, context, threads);
      add({StudyTask::Quality, arm, context, 0, 0});
    }
    if (options.sweep_threads) {
      for (const int threads : thread_sweep(options.sweep_to_threads))
        add_speed(arm, contexts.front(), threads);
    }
    if (options.sweep_contexts) {
      for (const int context : context_sweep(model.context_length)) {
        if (context > options.generate) add_speed(arm, context, options.threads.front());
      }
    }
    if (options.prompts.empty()) return;
    const int longest = *std::max_element(contexts.begin(), contexts.end());
    const auto room = std::min<int64_t>(model.context_length, std::max(longest, kAnswerContext));
    add({StudyTask::Text, arm, static_cast<int>(room), 0, 0});
  }

 private:
  static constexpr int kAnswerContext = 1024;

  void add_arm(int model, const std::string& key, const std::string& value,
               const std::string& rotation) {
    StudyArm arm;
    arm.model = model;
    arm.key_type = key;
    arm.value_type = value;
    arm.rotation = rotation;
    arm.name =
        fmt::format("{} K {} V {}", plan_.models[static_cast<size_t>(model)].name, key, value);
    if (rotation != kUsualRotation) arm.name += " rotation " + rotation;
    plan_.arms.push_back(std::move(arm));
  }

  void add_other(int arm, const StudyArm& what) {
    const std::vector<int> settled = {0};
    const StudyOptions& options = plan_.options;
    for (const int context : what.takes_context ? options.contexts : settled) {
      for (const int threads : what.takes_threads ? options.threads : settled)
        add_speed(arm, context, threads);
    }
  }

  void add_speed(int arm, int context, int threads) {
    for (int r = 1; r <= plan_.options.repetitions; ++r)
      add({StudyTask::Speed, arm, context, threads, r});
  }

  // Once: a sweep and the factors may ask for the same run.
  void add(const StudyRun& run) {
    if (run.task == StudyTask::Quality && plan_.options.text.empty()) return;
    if (known_.insert(plan_.id(run)).second) plan_.runs.push_back(run);
  }

  StudyPlan& plan_;
  std::set<std::string> known_;
};

// Fisher and Yates: every order is equally likely.
void shuffle(std::vector<StudyRun>& runs, uint64_t seed) {
  Random random(seed);
  for (size_t left = runs.size(); left > 1; --left)
    std::swap(runs[left - 1], runs[static_cast<size_t>(random.next() % left)]);
}

}  // namespace

const char* name(StudyTask task) {
  switch (task) {
    case StudyTask::Speed:
      return "speed";
    case StudyTask::Quality:
      return "quality";
    case StudyTask::Text:
      return "text";
  }
  return "";
}

Result<StudyArm> parse_arm(const std::string& text) {
  const size_t equals = text.find('='), colon = text.find(':', equals);
  if (equals == std::string::npos || equals == 0 || colon == std::string::npos) {
    return fail("--arm: expected NAME=llama-bench:COMMAND, found '{}'", text);
  }
  const std::string kind = text.substr(equals + 1, colon - equals - 1);
  StudyArm arm;
  arm.kind = StudyArm::Kind::LlamaBench;
  arm.name = text.substr(0, equals);
  arm.command = text.substr(colon + 1);
  if (kind == "openai") {
    return fail(
        "--arm {}: openai: this program is built without an HTTP client; expected "
        "NAME=llama-bench:COMMAND",
        arm.name);
  }
  if (kind != "llama-bench")
    return fail("--arm {}: expected the kind llama-bench, found '{}'", arm.name, kind);
  if (arm.command.find_first_not_of(' ') == std::string::npos)
    return fail("--arm {}: expected a command behind llama-bench:", arm.name);
  const auto has = [&](const char* place) { return arm.command.find(place) != std::string::npos; };
  arm.takes_context = has("{context}") || has("{prompt}");
  arm.takes_threads = has("{threads}");
  return arm;
}

std::string StudyPlan::id(const StudyRun& run) const {
  const auto part = [](const char* what, int number) {
    return number == 0 ? std::string() : fmt::format(", {} {}", what, number);
  };
  return fmt::format("{}, {}{}{}{}", measure::name(run.task),
                     arms[static_cast<size_t>(run.arm)].name, part("context", run.context),
                     part("threads", run.threads), part("run", run.repetition));
}

Result<StudyPlan> make_plan(StudyOptions options, std::vector<StudyModel> models) {
  TRY(check(options));
  StudyPlan plan;
  plan.options = std::move(options);
  plan.models = std::move(models);
  Planner planner(plan);
  TRY(planner.add_arms());
  for (size_t arm = 0; arm < plan.arms.size(); ++arm) planner.add_runs(static_cast<int>(arm));
  if (plan.runs.empty()) {
    return fail("study: nothing is left to run{}{}", plan.left_out.empty() ? "" : ": ",
                plan.left_out.empty() ? "" : plan.left_out.front());
  }
  shuffle(plan.runs, plan.options.seed);
  return plan;
}

std::vector<int> thread_sweep(int most) {
  std::vector<int> sweep;
  for (int threads = 1; threads < most; threads += threads < 8 ? 1 : (threads < 32 ? 4 : threads)) {
    sweep.push_back(threads);
  }
  sweep.push_back(std::max(1, most));
  return sweep;
}

std::vector<int> context_sweep(int64_t most) {
  std::vector<int> sweep;
  for (int context = 128; context <= 16384 && context <= most; context *= 2)
    sweep.push_back(context);
  return sweep;
}

nlohmann::ordered_json to_json(const StudyPlan& plan, const nlohmann::ordered_json& conditions) {
  const StudyOptions& options = plan.options;
  nlohmann::ordered_json models = nlohmann::ordered_json::array();
  for (const StudyModel& model : plan.models) {
    models.push_back({{"path", model.path},
                      {"name", model.name},
                      {"bytes", model.bytes},
                      {"hash", model.hash},
                      {"context_length", model.context_length}});
  }
  nlohmann::ordered_json others = nlohmann::ordered_json::array();
  for (const StudyArm& arm : options.others)
    others.push_back({{"name", arm.name}, {"command", arm.command}});
  nlohmann::ordered_json watts = nullptr;
  if (options.estimate_watts) watts = *options.estimate_watts;
  return {{"models", models},
          {"cache_type_k", options.key_types},
          {"cache_type_v", options.value_types},
          {"cache_rotate", options.rotations},
          {"context", options.contexts},
          {"threads", options.threads},
          {"sweep_threads", options.sweep_threads ? options.sweep_to_threads : 0},
          {"sweep_contexts", options.sweep_contexts},
          {"prompts", options.prompts},
          {"repeat", options.repetitions},
          {"seed", options.seed},
          {"generate", options.generate},
          {"answer_tokens", options.answer_tokens},
          {"text", options.text},
          {"arms", others},
          {"energy_estimate_watts", watts},
          {"conditions", conditions}};
}

}  // namespace issun::measure
