#include "apps/study.h"

#include <algorithm>

#include "apps/default_model.h"
#include "apps/json.h"
#include "apps/version.h"
#include "base/cpu.h"
#include "base/file.h"
#include "base/quote.h"
#include "base/streams.h"
#include "base/terminal.h"
#include "kernels/dispatch.h"
#include "measure/machine.h"
#include "measure/study/models.h"
#include "measure/study/prompts.h"
#include "measure/study/report.h"
#include "measure/study/runner.h"

namespace issun::apps {

namespace {

struct StudyFlags {
  measure::StudyOptions options;
  std::vector<std::string> models, arms, sweeps;
  std::string prompts, text, base, folder;
  int64_t text_bytes = 65536;
  double watts = 0, idle_seconds = 1, timeout_seconds = 0;
  bool has_watts = false, dry_run = false, json = false;
};

Result<std::vector<measure::StudyModel>> open_models(const StudyFlags& flags) {
  std::vector<std::string> paths = flags.models;
  if (paths.empty() && flags.arms.empty()) paths.push_back("");
  std::vector<measure::StudyModel> models;
  for (const std::string& path : paths) {
    ModelFlags model;
    model.path = path;
    show_progress(fmt::format("reading {} ...", model.model_name()));
    const auto opened = TRY(model.open_model());
    if (!opened->config.causal)
      return fail("{}: expected a model that continues text", model.model_name());
    models.push_back(measure::describe_model(*opened, path, model.model_name()));
  }
  hide_progress();
  measure::tell_apart(models);
  return models;
}

// The model that divergence is measured from: the one asked for, else the first.
Result<std::string> base_of(const StudyFlags& flags) {
  if (!flags.base.empty() && flags.text.empty())
    return fail("--base: expected a --text to measure on, found none");
  if (!flags.base.empty()) return flags.base;
  return flags.text.empty() || flags.models.empty() ? "" : flags.models.front();
}

Result<measure::StudyPlan> plan_of(const StudyFlags& flags) {
  measure::StudyOptions options = flags.options;
  options.prompts = measure::default_prompts();
  if (!flags.prompts.empty())
    options.prompts = TRY(measure::parse_prompts(TRY(read_text(flags.prompts)), flags.prompts));
  if (!flags.text.empty())
    options.text = TRY(measure::read_study_text(flags.text, flags.text_bytes));
  options.base = TRY(base_of(flags));
  for (int& threads : options.threads) {
    if (threads <= 0) threads = default_thread_count();
  }
  for (const std::string& arm : flags.arms) options.others.push_back(TRY(measure::parse_arm(arm)));
  const auto sweeps = [&](const char* what) {
    return std::find(flags.sweeps.begin(), flags.sweeps.end(), what) != flags.sweeps.end();
  };
  options.sweep_threads = sweeps("threads");
  options.sweep_contexts = sweeps("context");
  options.sweep_to_threads = std::max(default_thread_count(), cpu_facts().logical_cores);
  if (flags.has_watts) options.estimate_watts = flags.watts;
  return measure::make_plan(std::move(options), TRY(open_models(flags)));
}

// What has to be the same when a study goes on.
Result<Json> fixed_conditions() {
  return Json{{"processor", cpu_facts().name},
              {"logical_cores", cpu_facts().logical_cores},
              {"isa", TRY(kernels::choose_kernels())->name},
              {"version", kVersion}};
}

measure::ReportFacts report_facts(const Json& fixed, const measure::EnergyMeter& meter) {
  measure::ReportFacts facts;
  const auto add = [&](const std::string& key, const Json& value) {
    facts.conditions.emplace_back(key, value.is_string() ? value.get<std::string>() : dump(value));
  };
  for (const auto& [key, value] : fixed.items()) add(key, value);
  const Json machine = measure::machine_facts();
  for (const char* key :
       {"physical_cores", "caches", "memory_bytes", "governor", "kernel", "compiler"}) {
    if (machine.contains(key)) add(key, machine[key]);
  }
  add("wait policy",
      fmt::format("a thread without work spins for {} microseconds, then sleeps (futex)",
                  kSpinMicroseconds));
  add("cores", "none is chosen: the system places the threads");
  add("energy", meter.available() ? "counted: " + meter.counted() : "unavailable: " + meter.why());
  if (!meter.left_out().empty()) add("energy, not counted", meter.left_out());
  return facts;
}

std::string duration(double seconds) {
  if (seconds < 90) return fmt::format("{:.0f} s", seconds);
  if (seconds < 5400) return fmt::format("{:.0f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

std::string left(const measure::StudyPlan& plan, const measure::StudyFolder& folder) {
  const size_t runs = plan.runs.size() - folder.records().size();
  const auto seconds = measure::seconds_left(plan, folder.records());
  return fmt::format("{} of {} runs left, {}", runs, plan.runs.size(),
                     seconds ? "about " + duration(*seconds) : "time known after the first");
}

void print_plan(const measure::StudyPlan& plan, const measure::StudyFolder& folder) {
  write_out(fmt::format("{} arms, {} runs, order by seed {}\n", plan.arms.size(), plan.runs.size(),
                        plan.options.seed));
  for (const measure::StudyRun& run : plan.runs) {
    const std::string id = plan.id(run);
    write_out(fmt::format("{} {}\n", folder.has(id) ? "done" : "    ", visible(id)));
  }
  for (const std::string& what : plan.left_out) say("left out: " + what);
  write_out(left(plan, folder) + "\n");
}

// All runs that are not done yet; false: Ctrl-C.
Result<bool> run_all(const measure::StudyPlan& plan, measure::StudyRunner& runner,
                     measure::StudyFolder& folder) {
  for (const measure::StudyRun& run : plan.runs) {
    const std::string id = plan.id(run);
    if (folder.has(id)) continue;
    show_progress(fmt::format("{}: {}", left(plan, folder), id));
    std::optional<measure::StudyRecord> record = TRY(runner.run(run));
    if (!record) return false;
    if (!record->failed.empty()) say(fmt::format("{}: {}", id, record->failed));
    const bool first = folder.records().empty();
    TRY(folder.add(std::move(*record)));
    if (first) say(left(plan, folder));
  }
  return true;
}

Result<void> write_report(const measure::StudyPlan& plan, const measure::StudyFolder& folder,
                          const measure::ReportFacts& facts) {
  TRY(write_atomically(folder.file("runs.csv"), measure::study_csv(plan, folder.records())));
  return write_atomically(folder.file("report.html"),
                          measure::study_report(plan, folder.records(), facts));
}

Result<int> study(const StudyFlags& flags) {
  const measure::StudyPlan plan = TRY(plan_of(flags));
  const Json fixed = TRY(fixed_conditions());
  if (flags.dry_run && !is_directory(flags.folder)) {
    print_plan(plan, measure::StudyFolder::none());
    return kDone;
  }
  auto folder = TRY(measure::StudyFolder::open(flags.folder, plan, to_json(plan, fixed)));
  if (flags.dry_run) {
    print_plan(plan, folder);
    return kDone;
  }
  const Interrupts interrupts;
  auto runner = TRY(measure::StudyRunner::create(plan, folder,
                                                 {.program = TRY(own_program()),
                                                  .idle_seconds = flags.idle_seconds,
                                                  .timeout_seconds = flags.timeout_seconds}));
  for (const std::string& what : plan.left_out) say("left out: " + what);
  say(fmt::format("{}; order by seed {}", left(plan, folder), plan.options.seed));
  const bool finished = TRY(run_all(plan, runner, folder));
  hide_progress();
  TRY(write_report(plan, folder, report_facts(fixed, runner.meter())));
  const measure::StudySummary summary = measure::summarise(plan, folder.records());
  if (flags.json) {
    write_out(dump(Json{{"finished", finished},
                        {"runs", plan.runs.size()},
                        {"done", summary.done},
                        {"failed", summary.failed},
                        {"report", folder.file("report.html")},
                        {"csv", folder.file("runs.csv")}}) +
              "\n");
  } else {
    write_out(fmt::format("{} of {} runs done, {} failed\n", summary.done, plan.runs.size(),
                          summary.failed));
    if (!finished)
      write_out(fmt::format("go on with the same command; {} holds what it needs\n",
                            visible(flags.folder)));
    write_out(fmt::format("{}\n{}\n", visible(folder.file("report.html")),
                          visible(folder.file("runs.csv"))));
  }
  return summary.failed == 0 ? kDone : kFailed;
}

template <class T>
CLI::Option* add_list_option(CLI::App& command, const char* flag, std::vector<T>& list,
                             const char* help) {
  return command.add_option(flag, list, help)
      ->delimiter(',')
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->capture_default_str();
}

void add_factors(CLI::App& command, StudyFlags& flags) {
  measure::StudyOptions& options = flags.options;
  options.threads = {0};
  command.add_option("models", flags.models,
                     "model files (GGUF); none: the one that comes with issun");
  add_list_option(command, "--cache-type-k", options.key_types,
                  "numbers of the keys, also -ctk: a list");
  add_list_option(command, "--cache-type-v", options.value_types,
                  "numbers of the values, also -ctv: a list");
  add_list_option(command, "--cache-rotate", options.rotations,
                  "whether rows of the cache are spread before they are rounded: a list")
      ->check(CLI::IsMember({"auto", "on", "off"}));
  add_list_option(command, "-c,--context,--ctx-size", options.contexts, "tokens of context: a list")
      ->check(CLI::Range(2, 1 << 24));
  add_list_option(command, "-t,--threads", options.threads, "threads, 0: one for each core: a list")
      ->check(CLI::Range(-1, 1024));
  add_list_option(
      command, "--sweep", flags.sweeps,
      "threads: also 1, 2, ... to all cores, in the first context; context: also 128, 256, "
      "... 16384, as far as the model goes, with the first number of threads")
      ->check(CLI::IsMember({"threads", "context"}));
  command
      .add_option("--arm", flags.arms,
                  "another program beside issun, NAME=llama-bench:COMMAND; -o json is put behind "
                  "it, and {prompt} {generate} {context} {threads} are filled in; may be repeated")
      ->allow_extra_args(false);
}

void add_measures(CLI::App& command, StudyFlags& flags) {
  measure::StudyOptions& options = flags.options;
  command
      .add_option("--text", flags.text,
                  "for perplexity: a text, or .jsonl with \"text\"; none: it is not measured")
      ->check(expect_text);
  command.add_option("--text-bytes", flags.text_bytes, "so much of it")
      ->check(CLI::Range(int64_t{64}, int64_t{1} << 30))
      ->capture_default_str();
  command
      .add_option("--base", flags.base,
                  "model file that KL divergence is measured from; none: the first model")
      ->check(expect_text);
  command
      .add_option("--prompts", flags.prompts,
                  "a prompt a line, or a JSON array; none: five Japanese ones")
      ->check(expect_text);
  command.add_option("-n,--generate", options.generate, "tokens generated for speed")
      ->check(CLI::Range(2, 1 << 20))
      ->capture_default_str();
  command.add_option("--answer-tokens", options.answer_tokens, "most tokens of an answer")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command.add_option("-r,--repeat", options.repetitions, "runs of each setting for speed")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command.add_option("--seed", options.seed, "of the order of the runs")->capture_default_str();
  command
      .add_option("--energy-estimate", flags.watts,
                  "watts that the machine takes when all cores are busy: adds the estimate share "
                  "of all cores x watts x seconds, which is no measurement")
      ->check(CLI::Range(0.001, 1e6));
  command
      .add_option("--idle-seconds", flags.idle_seconds,
                  "idle power is measured so long before and after each run, where it can be")
      ->check(CLI::Range(0.1, 600.0))
      ->capture_default_str();
  command.add_option("--timeout", flags.timeout_seconds, "seconds of a run at most; 0: no limit")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
}

}  // namespace

void add_study_cpu(CLI::App& study_command, Action& action) {
  auto* command = study_command.add_subcommand(
      "cpu", "weights x cache types x contexts x threads, measured here; called again it goes on");
  auto flags = std::make_shared<StudyFlags>();
  add_factors(*command, *flags);
  add_measures(*command, *flags);
  command->add_option("--out", flags->folder, "folder for the runs, runs.csv and report.html")
      ->check(expect_text)
      ->required();
  command->add_flag("--dry-run", flags->dry_run, "show the runs in their order, and do none");
  command->add_flag("--json", flags->json, "how it ended as JSON");
  command->callback([flags, command, &action] {
    flags->has_watts = command->get_option("--energy-estimate")->count() > 0;
    action = [flags] { return study(*flags); };
  });
}

void add_study(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("study", "what choices cost on this machine, in one report");
  command->require_subcommand(1);
  add_study_cpu(*command, action);
  add_study_cell(*command, action);
}

}  // namespace issun::apps
