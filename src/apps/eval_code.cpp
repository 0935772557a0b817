#include "apps/eval_items.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/streams.h"
#include "measure/code_task.h"

namespace issun::apps {

namespace {

struct CodeFlags {
  ModelFlags model;
  ItemFlags items;
  int predict = 512, memory_mib = 512;
  double seconds = 15;
  bool solutions = false;

  SandboxLimits limits() const {
    SandboxLimits limits;
    limits.memory_bytes = int64_t{memory_mib} << 20;
    limits.wall_seconds = seconds;
    limits.cpu_seconds = static_cast<int>(seconds) + 1;
    return limits;
  }
};

// Writes completions: a model, or nobody where the solutions of the file are tried.
class Author {
 public:
  static Result<Author> create(const CodeFlags& flags) {
    Author author;
    author.most_tokens_ = flags.predict;
    if (flags.solutions) return author;
    author.runtime_ = TRY(flags.model.open());
    author.engine_ = std::make_unique<engine::Engine>(
        author.runtime_->forward(), author.runtime_->model().tokenizer,
        TRY(author.runtime_->new_cache()),
        engine::EngineOptions{.context = author.runtime_->options().context,
                              .prompt_rows = author.runtime_->options().max_rows});
    return author;
  }
  engine::Runtime* runtime() { return runtime_.get(); }

  Result<std::string> write(const measure::Problem& problem) {
    if (!engine_) return problem.solution;
    std::string text =
        TRY(measure::complete(problem, runtime_->model().tokenizer, *engine_, most_tokens_));
    TRY(runtime_->model().file.still_whole());
    return text;
  }

 private:
  std::unique_ptr<engine::Runtime> runtime_;
  std::unique_ptr<engine::Engine> engine_;
  int most_tokens_ = 0;
};

Json describe(const CodeFlags& flags, const std::string& data, engine::Runtime* runtime) {
  Json run = describe_run("code", data, runtime);
  run["solutions"] = flags.solutions;
  run["n_predict"] = flags.predict;
  run["sandbox_seconds"] = flags.seconds;
  run["sandbox_mib"] = flags.memory_mib;
  return run;
}

void print_readable(const std::vector<measure::CodeResult>& results, size_t total, double seconds) {
  write_out(fmt::format("pass@1 {}\n", readable(measure::pass_at_1(results))));
  std::map<std::string, int> outcomes;
  for (const measure::CodeResult& result : results) ++outcomes[result.outcome];
  for (const auto& [outcome, count] : outcomes) write_out(fmt::format("{}: {}\n", outcome, count));
  write_out(fmt::format("{} of {} problems; {:.1f} s\n", results.size(), total, seconds));
}

Json report_of(const CodeFlags& flags, const std::vector<measure::CodeResult>& results) {
  Json outcomes = Json::object();
  for (const measure::CodeResult& result : results)
    outcomes[result.outcome] = outcomes.value(result.outcome, 0) + 1;
  return {{"pass_at_1", to_json(measure::pass_at_1(results))},
          {"outcomes", outcomes},
          {"task", "code"},
          {"solutions", flags.solutions},
          {"model", flags.solutions ? Json() : Json(flags.model.model_name())},
          {"n_predict", flags.predict},
          {"stops", measure::code_stops()},
          {"sandbox_seconds", flags.seconds},
          {"sandbox_mib", flags.memory_mib}};
}

Result<int> code(const CodeFlags& flags) {
  const std::string data = TRY(read_text(flags.items.data));
  const auto problems = TRY(measure::read_problems(data, flags.items.data));
  const std::string python = TRY(find_in_sandbox("python3"));
  TRY(measure::expect_sandbox(python, flags.limits()));
  Author author = TRY(Author::create(flags));
  const double start = seconds_now();
  const auto measured = TRY(measure_items(
      flags.items, describe(flags, data, author.runtime()), std::ssize(problems),
      [&](int64_t item) -> Result<Json> {
        const measure::Problem& problem = problems[static_cast<size_t>(item)];
        const std::string completion = TRY(author.write(problem));
        Json result = to_json(TRY(measure::judge(problem, completion, python, flags.limits())));
        result["task_id"] = problem.id;
        return result;
      }));
  const double seconds = seconds_now() - start;
  std::vector<measure::CodeResult> results;
  for (const issun::Json& result : measured) results.push_back(TRY(measure::code_result(result)));
  if (!flags.items.json) {
    print_readable(results, problems.size(), seconds);
    return kDone;
  }
  Json report = report_of(flags, results);
  if (author.runtime() != nullptr) tell_facts(*author.runtime(), &report);
  tell_items(flags.items, std::ssize(problems), std::ssize(results), seconds, &report);
  write_out(dump(report) + "\n");
  return kDone;
}

}  // namespace

void add_eval_code(CLI::App& eval, Action& action) {
  auto* command = eval.add_subcommand(
      "code", "how often the Python function that a model writes passes its tests (HumanEval)");
  auto flags = std::make_shared<CodeFlags>();
  flags->model.add(*command, true);
  flags->items.add(*command, "-f,--file,--task",
                   "problems as HumanEval.jsonl has them, unpacked; -: standard input");
  command->add_option("-n,--n-predict", flags->predict, "tokens of a completion at most")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command->add_option("--sandbox-seconds", flags->seconds, "time for a program; then it is killed")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  command->add_option("--sandbox-mib", flags->memory_mib, "memory for each of its processes")
      ->check(CLI::Range(64, 1 << 20))
      ->capture_default_str();
  command->add_flag("--dry-run-solutions", flags->solutions,
                    "run the solutions of the file, and no model: all should pass");
  command->callback([flags, &action] { action = [flags] { return code(*flags); }; });
}

}  // namespace issun::apps
