#include <algorithm>

#include "apps/bench_speculation.h"
#include "apps/commands.h"
#include "apps/json.h"
#include "apps/version.h"
#include "base/clock.h"
#include "base/quote.h"
#include "base/streams.h"
#include "measure/bench_against.h"
#include "measure/bench_report.h"

namespace issun::apps {

namespace {

struct BenchFlags {
  ModelFlags model;
  std::vector<int> prompts{512}, generations{128}, depths{0}, sequences{1}, threads{0};
  int repetitions = 5;
  bool json = false, profile = false;
  std::string against;
  std::vector<std::string> for_other_issun;  // arguments that llama-bench has no counterpart of
};

std::vector<measure::BenchCase> cases(const BenchFlags& flags) {
  std::vector<measure::BenchCase> list;
  for (const int depth : flags.depths) {
    for (const int tokens : flags.prompts) {
      if (tokens > 0) list.push_back({measure::Phase::Prompt, tokens, depth});
    }
    for (const int tokens : flags.generations) {
      for (const int texts : flags.sequences) {
        if (tokens > 0) list.push_back({measure::Phase::Generation, tokens, depth, texts});
      }
    }
  }
  return list;
}

// All cases with one number of threads; the machine's own peaks are still missing.
Result<void> run_cases(const ModelFlags& model, const BenchFlags& flags,
                       std::vector<measure::BenchFigures>& figures) {
  model::Profile profile;
  ModelFlags watched = model;
  if (flags.profile) watched.options.profile = &profile;
  const auto runtime = TRY(watched.open());
  cache::PagedKv cache = TRY(runtime->new_cache());
  for (const measure::BenchCase& bench_case : cases(flags)) {
    measure::BenchFigures found;
    found.times = TRY(measure::run_bench(runtime->forward(), cache, bench_case, flags.repetitions,
                                         watched.options.profile));
    if (flags.profile) {
      const bool chooses = bench_case.phase == measure::Phase::Generation;
      found.profile = {profile,
                       chooses ? measure::seconds_to_choose(runtime->model().config.vocabulary_size,
                                                            bench_case.depth + bench_case.tokens)
                               : 0};
    }
    found.cost = measure::token_cost(bench_case, *runtime);
    found.options = runtime->options();
    found.model_path = model.model_name();
    found.model_name = runtime->model().config.name;
    found.model_bytes = runtime->model().file.data_bytes();
    found.isa = runtime->kernels().name;
    found.peak_memory = peak_memory_bytes();
    show_progress(fmt::format("{} with {} threads: {:.2f} tokens/s", name(bench_case),
                              found.options.threads, found.times.tokens_per_second().median));
    figures.push_back(std::move(found));
  }
  return runtime->model().file.still_whole();
}

// After all cases, since it takes memory of its own.
Result<void> add_peaks(std::vector<measure::BenchFigures>& figures) {
  const kernels::KernelTable& table = *TRY(kernels::choose_kernels());
  for (measure::BenchFigures& found : figures) {
    const auto workers = TRY(Workers::create(found.options.threads));
    found.peaks = TRY(measure::machine_peaks(*workers, table, measure::Effort::Thorough));
  }
  return {};
}

// Both programs in turn, so that what else the machine does meets both.
Result<int> bench_against(const ModelFlags& model, const BenchFlags& flags) {
  BenchFlags once = flags;
  once.repetitions = 1;
  std::vector<measure::Versus> all;
  for (const measure::BenchCase& bench_case : cases(flags)) all.push_back({bench_case, {}, {}});
  for (int round = 0; round < flags.repetitions; ++round) {
    std::vector<measure::BenchFigures> figures;
    TRY(run_cases(model, once, figures));
    const engine::RuntimeOptions& used = figures[0].options;
    show_progress(fmt::format("round {} of {}: the other", round + 1, flags.repetitions));
    const auto other = TRY(measure::run_other({.command = flags.against,
                                               .model_path = model.path,
                                               .cases = cases(flags),
                                               .threads = used.threads,
                                               .key_type = name(used.key_type),
                                               .value_type = name(used.value_type),
                                               .more = flags.for_other_issun}));
    for (size_t i = 0; i < all.size(); ++i) {
      all[i].own.push_back(figures[i].times.tokens_per_second().median);
      all[i].other.push_back(other[i]);
    }
  }
  hide_progress();
  if (!flags.json) write_out(measure::versus_table(all));
  for (const measure::Versus& versus : all) {
    if (flags.json) write_out(dump(measure::to_json(versus)) + "\n");
  }
  return kDone;
}

Result<int> bench(const BenchFlags& flags) {
  ModelFlags model = flags.model;
  for (const measure::BenchCase& bench_case : cases(flags)) {
    model.options.context =
        std::max(model.options.context, int64_t{bench_case.depth} + bench_case.tokens);
    model.options.max_sequences = std::max(model.options.max_sequences, bench_case.sequences);
  }
  if (!flags.against.empty()) {
    model.options.threads = flags.threads[0];
    return bench_against(model, flags);
  }
  std::vector<measure::BenchFigures> figures;
  for (const int threads : flags.threads) {
    model.options.threads = threads;
    TRY(run_cases(model, flags, figures));
  }
  TRY(add_peaks(figures));
  hide_progress();
  if (!flags.json && !figures.empty()) {
    write_out(fmt::format("{} ({:.2f} GB), {}, cache {}, batch {}, {} repetitions\n",
                          visible(figures[0].model_path),
                          static_cast<double>(figures[0].model_bytes) * 1e-9, figures[0].isa,
                          engine::describe_cache(figures[0].options), figures[0].options.max_rows,
                          flags.repetitions));
    write_out(measure::table_head());
  }
  for (const measure::BenchFigures& found : figures) {
    write_out(flags.json ? dump(measure::to_json(found, kVersion)) + "\n"
                         : measure::table_row(found));
  }
  return kDone;
}

// What was asked for and no case, number of threads or type of cache says.
std::vector<std::string> further_arguments(const CLI::App& command) {
  std::vector<std::string> arguments;
  for (const CLI::Option* option : command.get_options()) {
    const std::string flag = option->get_name();
    const bool said = option->count() > 0;
    if (!said || option->get_positional()) continue;
    constexpr std::string_view kKnown[] = {"--model",        "--n-prompt",   "--n-gen",
                                           "--n-depth",      "--threads",    "--repetitions",
                                           "--sequences",    "--cache-type", "--cache-type-k",
                                           "--cache-type-v", "--against",    "--json"};
    if (std::find(std::begin(kKnown), std::end(kKnown), flag) != std::end(kKnown)) continue;
    for (const std::string& value : option->results()) {
      arguments.push_back(flag);
      if (option->get_expected_min() > 0) arguments.push_back(value);
    }
  }
  return arguments;
}

void add_counts(CLI::App& command, const char* flag, std::vector<int>& list, const char* help,
                int least, int most) {
  command.add_option(flag, list, help)
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(least, most))
      ->capture_default_str();
}

}  // namespace

void add_bench(CLI::App& app, Action& action) {
  auto* command =
      app.add_subcommand("bench", "how fast a model reads a prompt and writes an answer here");
  auto flags = std::make_shared<BenchFlags>();
  constexpr int kMostTokens = 1 << 24;
  add_model(*command, flags->model.path, true);
  add_counts(*command, "-p,--n-prompt", flags->prompts,
             "tokens of prompt; 0: none; a list is run in turn", 0, kMostTokens);
  add_counts(*command, "-n,--n-gen", flags->generations, "tokens to generate; 0: none; or a list",
             0, kMostTokens);
  add_counts(*command, "-d,--n-depth", flags->depths, "tokens in the cache before; or a list", 0,
             kMostTokens);
  add_counts(*command, "--sequences", flags->sequences,
             "texts written at once, -n tokens each, in one batch; or a list", 1, 4096);
  add_counts(*command, "-t,--threads", flags->threads,
             "threads, 0 or -1: one for each core; or a list", -1, 1024);
  command
      ->add_option("-r,--repetitions", flags->repetitions,
                   "runs of each case, after one that does not count")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  flags->model.add_compute(*command);
  auto* against = command->add_option(
      "--against", flags->against,
      "another program that times models: a command of llama-bench, or another issun; both run in "
      "turn, -r rounds, and ratios are printed");
  command->add_flag("--profile", flags->profile, "also where the time goes, step by step")
      ->excludes(against);
  command->add_flag("--json", flags->json,
                    "one line of JSON a case, with the machine and its peaks");
  command->callback([flags, command, &action] {
    if (cases(*flags).empty()) {
      throw CLI::ValidationError("-p and -n: expected tokens to read or to generate, found 0");
    }
    if (!flags->against.empty() && flags->threads.size() != 1)
      throw CLI::ValidationError("--against: expected one number of threads, found a list");
    if (!flags->against.empty() && flags->model.path.empty())
      throw CLI::ValidationError("--against: expected a model file, which both can read");
    const bool several = command->get_option("--sequences")->count() > 0;
    const bool writes = std::any_of(flags->generations.begin(), flags->generations.end(),
                                    [](int tokens) { return tokens > 0; });
    if (several && !writes)
      throw CLI::ValidationError("--sequences: expected tokens to generate, -n, found 0");
    const int texts = *std::max_element(flags->sequences.begin(), flags->sequences.end());
    if (texts > flags->model.options.max_rows)
      throw CLI::ValidationError(
          fmt::format("--sequences: expected at most {}, as --batch says, found {}",
                      flags->model.options.max_rows, texts));
    if (several && !flags->against.empty() && !measure::is_issun(flags->against))
      throw CLI::ValidationError(
          "--sequences: llama-bench writes one text; expected another issun");
    if (!flags->against.empty()) flags->for_other_issun = further_arguments(*command);
    if (!flags->for_other_issun.empty() && !measure::is_issun(flags->against)) {
      throw CLI::ValidationError(
          fmt::format("--against: expected flags that both programs have, found {}",
                      flags->for_other_issun[0]));
    }
    action = [flags] { return bench(*flags); };
  });
  add_bench_speculation(*command, action);
}

}  // namespace issun::apps
