#include "apps/run_report.h"

#include "apps/json.h"
#include "apps/memory_flags.h"
#include "base/quote.h"
#include "measure/machine.h"

namespace issun::apps {

namespace {

double rate(int tokens, double seconds) { return seconds > 0 ? tokens / seconds : 0; }

// Bytes that generating one token reads: all weights once, and the cache as it is on the average.
double bytes_per_token(const RunReport& report, engine::Runtime& runtime) {
  const auto& statistics = report.statistics;
  const auto& options = runtime.options();
  const auto shape = runtime.model().config.kv_shape(options.key_type, options.value_type);
  const int64_t states = cache::PagedKv::planned_bytes(shape, 0);
  const double position_bytes =
      static_cast<double>(cache::PagedKv::planned_bytes(shape, cache::kPageTokens) - states) /
      cache::kPageTokens;
  const double positions = statistics.prompt_tokens + statistics.generated_tokens / 2.0;
  return static_cast<double>(runtime.model().weights.bytes_per_token() +
                             cache::StateSlots::planned_bytes(shape.states, 1)) +
         position_bytes * positions;
}

Json to_json(const chat::ToolCall& call) {
  return {{"id", call.id},
          {"type", "function"},
          {"function", {{"name", call.name}, {"arguments", call.arguments}}}};
}

Json to_json(const engine::TokenProbability& one, const tokenizer::Tokenizer& tokenizer) {
  std::string text;
  tokenizer.append_piece(one.token, true, text);
  return {{"id", one.token}, {"token", text}, {"logprob", one.log_probability}};
}

Json to_json(const TokenReport& report, const tokenizer::Tokenizer& tokenizer) {
  Json json =
      to_json({.token = report.token, .log_probability = report.probabilities.chosen}, tokenizer);
  const auto add = [&](const char* name, const std::vector<engine::TokenProbability>& list) {
    json[name] = Json::array();
    for (const engine::TokenProbability& one : list) json[name].push_back(to_json(one, tokenizer));
  };
  add("top_logprobs", report.probabilities.before);
  add("top_after_sampling", report.probabilities.after);
  return json;
}

// As JSON on one line. The arguments are JSON already, where line ends only stand between values.
std::string one_line(const chat::ToolCall& call) {
  std::string arguments = call.arguments;
  for (char& c : arguments) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return "{\"name\": " + dump(Json(call.name)) + ", \"arguments\": " + arguments + "}";
}

}  // namespace

void RunReport::add(const engine::Event& event, const chat::Answer& more) {
  text += event.text;
  for (chat::ToolCall call : more.calls) {
    call.place += answer.content.size();
    answer.calls.push_back(std::move(call));
  }
  answer.content += more.content;
  answer.reasoning += more.reasoning;
  if (event.token >= 0 && !event.probabilities.before.empty())
    tokens.push_back({event.token, event.probabilities});
  finish = event.finish;
  statistics = event.statistics;
}

std::string readable(const chat::Answer& more, const chat::Answer& before) {
  std::string text;
  bool something = !before.content.empty() || !before.calls.empty();
  bool behind_call = !before.calls.empty() && before.calls.back().place == before.content.size();
  size_t shown = 0;
  const auto say_until = [&](size_t place) {
    if (place == shown) return;
    if (behind_call) text += "\n";
    text += more.content.substr(shown, place - shown);
    shown = place;
    something = true;
    behind_call = false;
  };
  for (const chat::ToolCall& call : more.calls) {
    say_until(call.place);
    if (something) text += "\n";
    text += one_line(call);
    something = behind_call = true;
  }
  say_until(more.content.size());
  return text;
}

RunFigures figures(const RunReport& report, engine::Runtime& runtime) {
  const auto& statistics = report.statistics;
  RunFigures f;
  f.load_seconds = runtime.load_seconds();
  if (runtime.residency() != nullptr) f.store = runtime.residency()->store().statistics();
  f.prompt_tokens = statistics.prompt_tokens - statistics.cached_tokens;
  f.prompt_rate = rate(f.prompt_tokens, statistics.prompt_seconds);
  // The first token comes from the prompt's own pass.
  f.generation_rate = rate(statistics.generated_tokens - 1, statistics.generation_seconds);
  // Tokens that were guessed are read for with those in front of them.
  f.bytes_per_second = rate(statistics.generated_tokens - statistics.accepted_tokens - 1,
                            statistics.generation_seconds) *
                       bytes_per_token(report, runtime);
  // What measures the machine takes memory of its own, and there is none to spare.
  if (runtime.may_stream()) return f;
  const auto peaks =
      measure::machine_peaks(runtime.workers(), runtime.kernels(), measure::Effort::Quick);
  if (peaks && peaks->read_bytes_per_second > 0)
    f.peak_share = f.bytes_per_second / peaks->read_bytes_per_second;
  return f;
}

namespace {

// What came from the disk, a line; nothing where all weights are mapped.
std::string describe_store(const RunFigures& f) {
  if (!f.store) return "";
  const experts::GroupStatistics all = f.store->all();
  return fmt::format(
      "streamed    {:.1f} % found in memory, {:.1f} % guessed in time, {:.1f} % late, {:.1f} % "
      "missed; {:.2f} GB read, {:.1f} s of waiting\n",
      100 * share(all.found, all.uses), 100 * share(all.expected - all.late, all.uses),
      100 * share(all.late, all.uses), 100 * share(all.missed(), all.uses),
      static_cast<double>(f.store->reader.bytes) * 1e-9, f.store->waited_seconds);
}
}  // namespace

// A line on what was guessed; nothing where nothing was.
std::string describe_speculation(const engine::RequestStatistics& s) {
  if (s.drafted_tokens == 0) return "";
  return fmt::format("guessed     {} tokens, {} of them right ({:.0f} %), {:.2f} tokens a step\n",
                     s.drafted_tokens, s.accepted_tokens,
                     100 * share(s.accepted_tokens, s.drafted_tokens), engine::tokens_a_step(s));
}

std::string readable(const RunReport& report, const RunFigures& f) {
  const auto& statistics = report.statistics;
  const std::string peak =
      f.peak_share < 0 ? "unavailable" : fmt::format("{:.0f} %", 100 * f.peak_share);
  return fmt::format(
      "load        {:.3f} s\n"
      "prompt      {} tokens, {} of them from the cache, {:.1f} tokens/s\n"
      "generation  {} tokens, {:.1f} tokens/s, {:.2f} GB/s, {} of this machine's measured "
      "bandwidth\n"
      "{}{}"
      "memory      {:.1f} MiB at most\n"
      "ended by    {}\n"
      "hash        {:016x} (the last logits)\n",
      f.load_seconds, statistics.prompt_tokens, statistics.cached_tokens, f.prompt_rate,
      statistics.generated_tokens, f.generation_rate, f.bytes_per_second * 1e-9, peak,
      describe_speculation(statistics), describe_store(f),
      static_cast<double>(report.peak_memory) / (1 << 20), engine::name(report.finish),
      report.logits_hash);
}

std::string to_json(const RunReport& report, const RunFigures& f,
                    const tokenizer::Tokenizer& tokenizer) {
  const auto& statistics = report.statistics;
  Json calls = Json::array();
  for (const chat::ToolCall& call : report.answer.calls) calls.push_back(to_json(call));
  Json json = {{"text", report.text},
               {"content", report.answer.content},
               {"reasoning", report.answer.reasoning},
               {"tool_calls", calls},
               {"finish", engine::name(report.finish)},
               {"load_seconds", f.load_seconds},
               {"prompt_tokens", statistics.prompt_tokens},
               {"cached_tokens", statistics.cached_tokens},
               {"generated_tokens", statistics.generated_tokens},
               {"prompt_tokens_per_second", f.prompt_rate},
               {"generation_tokens_per_second", f.generation_rate},
               {"bytes_per_second", f.bytes_per_second},
               {"share_of_measured_bandwidth", nullptr},
               {"peak_memory_bytes", report.peak_memory},
               {"logits_hash", fmt::format("{:016x}", report.logits_hash)}};
  if (statistics.drafted_tokens > 0) {
    json["drafted_tokens"] = statistics.drafted_tokens;
    json["accepted_tokens"] = statistics.accepted_tokens;
    json["tokens_a_step"] = engine::tokens_a_step(statistics);
  }
  if (f.store) {
    const experts::GroupStatistics all = f.store->all();
    json["streamed"] = {{"uses", all.uses},
                        {"found", all.found},
                        {"expected", all.expected},
                        {"late", all.late},
                        {"missed", all.missed()},
                        {"bytes_read", f.store->reader.bytes},
                        {"waited_seconds", f.store->waited_seconds}};
  }
  if (f.peak_share >= 0) json["share_of_measured_bandwidth"] = f.peak_share;
  for (const TokenReport& token : report.tokens)
    json["probabilities"].push_back(to_json(token, tokenizer));
  return dump(json, 2);
}

std::string describe_start(engine::Runtime& runtime) {
  const auto& config = runtime.model().config;
  const auto plan = runtime.memory_plan();
  return fmt::format(
      "{} {}: {} layers, {:.1f} million weights, {:.1f} MiB; context {}, cache {} {:.1f} MiB; "
      "{} threads, {}{}\n",
      visible(config.architecture), visible(config.name), config.layers.size(),
      static_cast<double>(runtime.model().weights.products_per_token(true)) * 1e-6,
      static_cast<double>(plan.weights) / (1 << 20), runtime.options().context,
      engine::describe_cache(runtime.options()), static_cast<double>(plan.cache) / (1 << 20),
      runtime.options().threads, runtime.kernels().name, runtime.options().exact ? ", exact" : "");
}

}  // namespace issun::apps
