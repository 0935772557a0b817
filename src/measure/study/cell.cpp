#include "measure/study/cell.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/file.h"
#include "engine/conversation.h"
#include "engine/engine.h"
#include "measure/bench.h"
#include "measure/study/memory_use.h"
#include "measure/study/phases.h"

namespace issun::measure {

namespace {

constexpr int kWarmUpTokens = 16;

struct Opened {
  std::unique_ptr<engine::Runtime> runtime;
  std::unique_ptr<engine::Engine> engine;
  const tokenizer::Tokenizer& tokenizer() const { return runtime->model().tokenizer; }
};

Measured cached_share(const std::string& path) {
  if (path.empty()) return Measured::unavailable("the model is part of the program");
  const auto file = MappedFile::open(path);
  if (!file || file->bytes().empty()) return Measured::unavailable("the model is no single file");
  return measured(static_cast<double>(file->resident_bytes()) /
                  static_cast<double>(file->bytes().size()));
}

// Opens the model, and notes what opening it took and what it will hold.
Result<Opened> open(const CellOptions& options, PhaseClock& clock, StudyRecord& record) {
  record.metrics["file_cached_share"] = cached_share(options.model_path);
  clock.lap();
  Opened opened;
  opened.runtime = TRY(options.open());
  const engine::RuntimeOptions& settled = opened.runtime->options();
  opened.engine = std::make_unique<engine::Engine>(
      opened.runtime->forward(), opened.tokenizer(), TRY(opened.runtime->new_cache()),
      engine::EngineOptions{.context = settled.context, .prompt_rows = settled.max_rows});
  record.metrics["load_seconds"] = measured(clock.lap().seconds);
  const model::MemoryPlan plan = opened.runtime->memory_plan();
  record.metrics["cache_bytes"] = measured(static_cast<double>(plan.cache));
  record.metrics["working_bytes"] = measured(static_cast<double>(plan.working));
  record.metrics["weights_bytes"] = measured(static_cast<double>(plan.weights));
  record.facts["isa"] = opened.runtime->kernels().name;
  record.facts["threads"] = std::to_string(settled.threads);
  return opened;
}

// Steps until the only request ends; each(event) for every event. Error: logits that are no
// numbers, or a file that was cut short.
template <class Each>
Result<engine::Finish> finish(Opened& opened, PhaseClock& clock, Each&& each) {
  engine::Finish finish = engine::Finish::Running;
  while (!opened.engine->idle()) {
    for (const engine::Event& event : opened.engine->step()) {
      each(event);
      finish = event.finish;
      if (finish == engine::Finish::Failed) return fail("{}", event.error);
    }
    clock.tick();
  }
  TRY(opened.runtime->model().file.still_whole());
  if (finish == engine::Finish::BrokenLogits) return fail("the model's logits are no numbers");
  return finish;
}

engine::Request greedy(std::vector<int32_t> prompt, int tokens) {
  engine::Request request;
  request.prompt = std::move(prompt);
  request.max_tokens = tokens;
  request.sampling.temperature = 0;
  return request;
}

Measured joules_per(const PhaseCost& phase, double count, const EnergyMeter& meter) {
  if (!meter.available()) return Measured::unavailable(meter.why());
  if (!phase.joules) return Measured::unavailable("the energy counter could not be read");
  return measured(*phase.joules / std::max(1.0, count));
}

Measured per_second(double count, double seconds) {
  if (seconds <= 0) return Measured::unavailable("it took less time than the system counts");
  return measured(count / seconds);
}

Measured ratio(const PerfCounters::Count& count, const PerfCounters::Count& by) {
  if (!count.available()) return Measured::unavailable(count.why);
  if (!by.available()) return Measured::unavailable(by.why);
  if (by.value <= 0) return Measured::unavailable("the counter stood still");
  return measured(count.value / by.value);
}

// Prompt and generation, as the clock found them.
void note_phases(const PhaseCost& prompt, const PhaseCost& generation, size_t prompt_tokens,
                 int tokens, const EnergyMeter& meter, Metrics& metrics) {
  const double after_first = std::max(1, tokens - 1);
  metrics["first_token_seconds"] = measured(prompt.seconds);
  metrics["prompt_tokens"] = measured(static_cast<double>(prompt_tokens));
  metrics["generated_tokens"] = measured(tokens);
  metrics["prompt_tokens_per_second"] =
      measured(static_cast<double>(prompt_tokens) / prompt.seconds);
  metrics["prompt_cores_busy"] = measured(prompt.use.cpu_seconds() / prompt.seconds);
  metrics["prompt_tokens_per_core_second"] =
      per_second(static_cast<double>(prompt_tokens), prompt.use.cpu_seconds());
  metrics["generation_tokens_per_core_second"] =
      per_second(after_first, generation.use.cpu_seconds());
  const double busy = generation.use.cpu_seconds() / generation.seconds;
  metrics["generation_cores_busy"] = measured(busy);
  metrics["generation_machine_share"] = measured(busy / std::max(1, cpu_facts().logical_cores));
  metrics["generation_voluntary_switches"] =
      measured(static_cast<double>(generation.use.voluntary_switches) / after_first);
  metrics["generation_involuntary_switches"] =
      measured(static_cast<double>(generation.use.involuntary_switches) / after_first);
  metrics["generation_ipc"] =
      ratio(generation.counts[PerfCounters::Instructions], generation.counts[PerfCounters::Cycles]);
  metrics["generation_cache_misses"] =
      ratio(generation.counts[PerfCounters::CacheMisses], {after_first, ""});
  metrics["prompt_gross_joules_per_token"] =
      joules_per(prompt, static_cast<double>(prompt_tokens), meter);
  metrics["generation_gross_joules_per_token"] = joules_per(generation, after_first, meter);

  metrics["generation_seconds"] = measured(generation.seconds);
}

// So much of the prompts, again and again, that it is at least `tokens` tokens.
Result<std::string> long_text(const tokenizer::Tokenizer& tokenizer,
                              const std::vector<std::string>& prompts, size_t tokens) {
  std::string text;
  for (const std::string& prompt : prompts) text += prompt + "\n";
  const auto once = TRY(tokenizer.encode(text, {.add_special = false, .parse_special = false}));
  if (once.empty()) return fail("prompts: expected a text that the vocabulary has tokens for");
  const size_t times = tokens / std::max<size_t>(1, once.size() - 1) + 1;
  std::string repeated;
  for (size_t i = 0; i < times; ++i) repeated += text;
  return repeated;
}

Result<std::vector<int32_t>> encode_exactly(const tokenizer::Tokenizer& tokenizer,
                                            const std::string& text, size_t tokens) {
  auto encoded = TRY(tokenizer.encode(text, {.add_special = true, .parse_special = false}));
  if (encoded.size() < tokens)
    return fail("prompts: expected {} tokens, found {}", tokens, encoded.size());
  encoded.resize(tokens);
  return encoded;
}

}  // namespace

Result<StudyRecord> run_speed_cell(const CellOptions& options) {
  StudyRecord record;
  PhaseClock clock(options.powercap);
  Opened opened = TRY(open(options, clock, record));
  const int64_t context = opened.engine->context();
  if (context <= options.generate) {
    return fail("context: expected more than the {} tokens to generate, found {}", options.generate,
                context);
  }
  const auto tokens = static_cast<size_t>(context - options.generate);
  const std::string text = TRY(long_text(opened.tokenizer(), options.prompts, tokens));

  // Another beginning than the prompt's, or its cache would serve the prompt.
  std::vector<int32_t> warm = TRY(encode_exactly(opened.tokenizer(), text, tokens));
  std::reverse(warm.begin(), warm.end());
  warm.resize(std::min<size_t>(warm.size(), kWarmUpTokens));
  engine::Request warm_up = greedy(std::move(warm), 2);
  warm_up.ignore_end = true;
  TRY(opened.engine->submit(std::move(warm_up)));
  TRY(finish(opened, clock, [](const engine::Event&) {}));

  clock.lap();
  engine::Request request =
      greedy(TRY(encode_exactly(opened.tokenizer(), text, tokens)), options.generate);
  request.ignore_end = true;
  TRY(opened.engine->submit(std::move(request)));
  PhaseCost prompt;
  std::vector<double> token_ms;
  double last = 0;
  engine::RequestStatistics statistics;
  TRY(finish(opened, clock, [&](const engine::Event& event) {
    statistics = event.statistics;
    if (event.token < 0) return;
    if (last == 0) {
      prompt = clock.lap();
    } else {
      token_ms.push_back(1e3 * (seconds_now() - last));
    }
    last = seconds_now();
  }));
  const PhaseCost generation = clock.lap();
  if (statistics.generated_tokens != options.generate || statistics.cached_tokens > 1) {
    return fail(
        "expected {} new tokens behind a fresh prompt, found {} behind one of which {} "
        "were in the cache",
        options.generate, statistics.generated_tokens, statistics.cached_tokens);
  }
  Metrics& metrics = record.metrics;
  note_phases(prompt, generation, tokens, statistics.generated_tokens, clock.meter(), metrics);
  if (token_ms.empty()) {
    const Measured none = Measured::unavailable("one token was generated, and none after it");
    for (const char* key : {"generation_tokens_per_second", "token_ms_p50", "token_ms_p95"})
      metrics[key] = none;
  } else {
    metrics["generation_tokens_per_second"] =
        measured(static_cast<double>(token_ms.size()) / generation.seconds);
    metrics["token_ms_p50"] = measured(quantile(token_ms, 0.5));
    metrics["token_ms_p95"] = measured(quantile(token_ms, 0.95));
  }
  metrics.merge(memory_use());
  return record;
}

Result<StudyRecord> run_text_cell(const CellOptions& options) {
  StudyRecord record;
  PhaseClock clock(options.powercap);
  Opened opened = TRY(open(options, clock, record));
  auto conversation = TRY(engine::Conversation::create(opened.runtime->model(), {}));
  record.facts["template"] = conversation.continues_text() ? "none: the text is continued" : "yes";
  int tokens = 0;
  clock.lap();
  for (const std::string& prompt : options.prompts) {
    conversation.clear();
    engine::Request request = greedy(TRY(conversation.ask(prompt)), options.answer_tokens);
    request.shown_tokens = conversation.shown_tokens();
    request.drop_leading_space = conversation.drops_leading_space(prompt);
    TRY(opened.engine->submit(std::move(request)));
    StudyAnswer answer;
    const auto ended = TRY(finish(opened, clock, [&](const engine::Event& event) {
      answer.text += event.text;
      tokens += event.token >= 0 ? 1 : 0;
    }));
    answer.finish = engine::name(ended);
    record.answers.push_back(std::move(answer));
  }
  const PhaseCost phase = clock.lap();
  const auto answers = static_cast<double>(options.prompts.size());
  Metrics& metrics = record.metrics;
  metrics["answer_tokens"] = measured(tokens / answers);
  metrics["answer_seconds"] = measured(phase.seconds / answers);
  metrics["answer_gross_joules"] = joules_per(phase, answers, clock.meter());
  metrics.merge(memory_use());
  return record;
}

}  // namespace issun::measure
