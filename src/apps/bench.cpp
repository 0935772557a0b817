#include <algorithm>

#include "apps/commands.h"
#include "apps/json.h"
#include "apps/version.h"
#include "base/clock.h"
#include "base/quote.h"
#include "base/streams.h"
#include "measure/bench_report.h"

namespace issun::apps {

namespace {

struct BenchFlags {
  ModelFlags model;
  std::vector<int> prompts{512}, generations{128}, depths{0}, threads{0};
  int repetitions = 5;
  bool json = false;
};

std::vector<measure::BenchCase> cases(const BenchFlags& flags) {
  std::vector<measure::BenchCase> list;
  for (const int depth : flags.depths) {
    for (const int tokens : flags.prompts) {
      if (tokens > 0) list.push_back({measure::Phase::Prompt, tokens, depth});
    }
    for (const int tokens : flags.generations) {
      if (tokens > 0) list.push_back({measure::Phase::Generation, tokens, depth});
    }
  }
  return list;
}

// All cases with one number of threads; the machine's own peaks are still missing.
Result<void> run_cases(const ModelFlags& model, const BenchFlags& flags,
                       std::vector<measure::BenchFigures>& figures) {
  const auto runtime = TRY(model.open());
  cache::PagedKv cache = TRY(runtime->new_cache());
  for (const measure::BenchCase& bench_case : cases(flags)) {
    measure::BenchFigures found;
    found.times = TRY(measure::run_bench(runtime->forward(), cache, bench_case, flags.repetitions));
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

Result<int> bench(const BenchFlags& flags) {
  ModelFlags model = flags.model;
  for (const measure::BenchCase& bench_case : cases(flags)) {
    model.options.context =
        std::max(model.options.context, int64_t{bench_case.depth} + bench_case.tokens);
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

void add_list(CLI::App& command, const char* flag, std::vector<int>& list, const char* help,
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
  add_list(*command, "-p,--n-prompt", flags->prompts,
           "tokens of prompt; 0: none; a list is run in turn", 0, kMostTokens);
  add_list(*command, "-n,--n-gen", flags->generations, "tokens to generate; 0: none; or a list", 0,
           kMostTokens);
  add_list(*command, "-d,--n-depth", flags->depths, "tokens in the cache before; or a list", 0,
           kMostTokens);
  add_list(*command, "-t,--threads", flags->threads,
           "threads, 0 or -1: one for each core; or a list", -1, 1024);
  command
      ->add_option("-r,--repetitions", flags->repetitions,
                   "runs of each case, after one that does not count")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  flags->model.add_compute(*command);
  command->add_flag("--json", flags->json,
                    "one line of JSON a case, with the machine and its peaks");
  command->callback([flags, &action] {
    if (cases(*flags).empty()) {
      throw CLI::ValidationError("-p and -n: expected tokens to read or to generate, found 0");
    }
    action = [flags] { return bench(*flags); };
  });
}

}  // namespace issun::apps
