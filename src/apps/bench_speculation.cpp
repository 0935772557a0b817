#include "apps/bench_speculation.h"

#include "apps/json.h"
#include "apps/speculation_flags.h"
#include "apps/version.h"
#include "base/file.h"
#include "base/quote.h"
#include "base/streams.h"
#include "engine/conversation.h"
#include "measure/machine.h"
#include "measure/speculation_bench.h"

namespace issun::apps {

namespace {

constexpr int kRowCounts[] = {1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32};

struct SpeculationBenchFlags {
  ModelFlags model;
  SpeculationFlags speculation;
  std::string prompts;
  int predict = 128, rounds = 2, limit = 0, depth = 256, repetitions = 11;
  bool raw = false, json = false;
};

struct Found {
  std::vector<measure::RowCost> costs;
  std::vector<measure::SpeculationTimes> times;  // none without prompts
};

Result<std::vector<measure::RowCost>> costs_of(const SpeculationBenchFlags& flags,
                                               engine::Runtime& runtime) {
  cache::PagedKv cache = TRY(runtime.new_cache());
  const int most = std::min(runtime.forward().max_rows(), runtime.forward().max_outputs());
  std::vector<int> rows;
  for (const int count : kRowCounts) {
    if (count <= most) rows.push_back(count);
  }
  return measure::row_costs(runtime.forward(), cache, flags.depth, rows, flags.repetitions);
}

Result<std::vector<measure::SpeculationPrompt>> prompts_of(const SpeculationBenchFlags& flags) {
  auto prompts =
      TRY(measure::parse_speculation_prompts(TRY(read_text(flags.prompts)), flags.prompts));
  // Evenly spread, so that every kind is there.
  const size_t limit = static_cast<size_t>(flags.limit);
  if (limit == 0 || limit >= prompts.size()) return prompts;
  std::vector<measure::SpeculationPrompt> some;
  for (size_t i = 0; i < limit; ++i) some.push_back(prompts[i * prompts.size() / limit]);
  return some;
}

Result<std::vector<measure::SpeculationTimes>> compare(const SpeculationBenchFlags& flags,
                                                       engine::Runtime& runtime) {
  const auto prompts = TRY(prompts_of(flags));
  engine::EngineOptions options;
  options.context = runtime.options().context;
  options.prompt_rows = runtime.options().max_rows;
  engine::Engine without(runtime.forward(), runtime.model().tokenizer, TRY(runtime.new_cache()),
                         options);
  options.speculation = TRY(flags.speculation.open(runtime));
  engine::Engine with(runtime.forward(), runtime.model().tokenizer, TRY(runtime.new_cache()),
                      options);
  const auto ask = [&](const std::string& text) -> Result<engine::Request> {
    engine::ConversationOptions talk;
    talk.raw = flags.raw;
    auto conversation = TRY(engine::Conversation::create(runtime.model(), std::move(talk)));
    engine::Request request;
    request.prompt = TRY(conversation.ask(text));
    request.max_tokens = flags.predict;
    request.sampling.temperature = 0;
    return request;
  };
  return measure::compare_speculation(without, with, prompts, flags.rounds, ask, [&](int done) {
    show_progress(fmt::format("{} of {} prompts", done, prompts.size()));
  });
}

Json to_json(const SpeculationBenchFlags& flags, engine::Runtime& runtime, const Found& found) {
  Json json = {{"model", flags.model.model_name()},
               {"model_name", runtime.model().config.name},
               {"model_bytes", runtime.model().file.data_bytes()},
               {"isa", runtime.kernels().name},
               {"threads", runtime.options().threads},
               {"exact", runtime.options().exact},
               {"depth", flags.depth},
               {"rows", Json::array()},
               {"speculation", Json::array()},
               {"machine", measure::machine_facts()},
               {"version", kVersion}};
  for (const auto& cost : found.costs) json["rows"].push_back(measure::to_json(cost));
  for (const auto& times : found.times) json["speculation"].push_back(measure::to_json(times));
  return json;
}

Result<int> bench_speculation(const SpeculationBenchFlags& flags) {
  ModelFlags model = flags.model;
  model.options.max_outputs = kRowCounts[std::size(kRowCounts) - 1];
  model.options.stream_at_once = true;  // two caches grow at once here
  flags.speculation.plan(1, model.options);
  const auto runtime = TRY(model.open());
  TRY(engine::check_speculation(runtime->model().config));
  Found found;
  found.costs = TRY(costs_of(flags, *runtime));
  if (!flags.prompts.empty()) found.times = TRY(compare(flags, *runtime));
  hide_progress();
  TRY(runtime->model().file.still_whole());
  if (flags.json) {
    write_out(dump(to_json(flags, *runtime, found)) + "\n");
    return kDone;
  }
  write_out(fmt::format("{} ({:.2f} GB), {}, {} threads{}\n", visible(model.model_name()),
                        static_cast<double>(runtime->model().file.data_bytes()) * 1e-9,
                        runtime->kernels().name, runtime->options().threads,
                        runtime->options().exact ? ", exact" : ""));
  write_out(measure::row_cost_table(found.costs));
  if (!found.times.empty()) write_out("\n" + measure::speculation_table(found.times));
  return kDone;
}

}  // namespace

void add_bench_speculation(CLI::App& bench, Action& action) {
  auto* command = bench.add_subcommand(
      "speculation",
      "what a batch of several rows costs, and how fast answers are written with guesses and "
      "without, in turn");
  auto flags = std::make_shared<SpeculationBenchFlags>();
  flags->model.add(*command, true);
  flags->speculation.add(*command);
  auto* prompts =
      command
          ->add_option("-f,--file", flags->prompts,
                       "prompts, a text a line or lines of JSON with \"turns\", \"prompt\", "
                       "\"question\" or \"text\", and \"category\"; none: only what rows cost")
          ->check(expect_text);
  command->add_option("--limit", flags->limit, "so many of the prompts, evenly spread; 0: all")
      ->check(CLI::Range(0, 1 << 20))
      ->needs(prompts);
  command->add_option("-n,--predict,--n-predict", flags->predict, "tokens of an answer at most")
      ->check(CLI::Range(2, 1 << 20))
      ->capture_default_str();
  command->add_option("-r,--rounds", flags->rounds, "answers to each prompt, with and without")
      ->check(CLI::Range(1, 100))
      ->needs(prompts);
  command->add_option("-d,--n-depth", flags->depth, "tokens in the cache before the rows")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  command->add_option("--repetitions", flags->repetitions, "batches of each number of rows")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_flag("--raw", flags->raw, "continue the prompts, without the chat template")
      ->needs(prompts);
  command->add_flag("--json", flags->json, "one line of JSON, with the machine");
  command->preparse_callback([&bench](size_t) {
    for (const CLI::Option* option : bench.get_options()) {
      if (option->count() > 0) throw CLI::ExcludesError(option->get_name(), "bench speculation");
    }
    bench.callback([] {});
  });
  command->callback([flags, &action] {
    flags->speculation.settle();
    if (!flags->prompts.empty() && !flags->speculation.on())
      throw CLI::ValidationError("-f: needs --speculate ngram or --draft, to compare with");
    if (flags->prompts.empty() && flags->speculation.on())
      throw CLI::ValidationError("--speculate, --draft: need prompts to compare on: -f");
    action = [flags] { return bench_speculation(*flags); };
  });
}

}  // namespace issun::apps
