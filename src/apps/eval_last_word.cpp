#include "apps/eval_items.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/streams.h"
#include "measure/last_word.h"

namespace issun::apps {

namespace {

struct LastWordFlags {
  ModelFlags model;
  ItemFlags items;
};

Result<int> last_word(const LastWordFlags& flags) {
  const std::string data = TRY(read_text(flags.items.data));
  const auto passages = TRY(measure::read_passages(data, flags.items.data));
  const auto runtime = TRY(open_for_scoring(flags.model));
  cache::PagedKv cache = TRY(runtime->new_cache());
  measure::ContinuationScorer scorer(runtime->forward(), cache);
  const double start = seconds_now();
  const auto measured =
      TRY(measure_items(flags.items, describe_run("last-word", data, runtime.get()),
                        std::ssize(passages), [&](int64_t item) -> Result<Json> {
                          return to_json(TRY(measure::guess(passages[static_cast<size_t>(item)],
                                                            runtime->model().tokenizer, scorer)));
                        }));
  const double seconds = seconds_now() - start;
  TRY(runtime->model().file.still_whole());
  std::vector<measure::LastWordResult> results;
  for (const issun::Json& result : measured)
    results.push_back(TRY(measure::last_word_result(result)));
  const measure::LastWordSummary summary = measure::summarise(results);
  if (flags.items.json) {
    Json report = to_json(summary);
    report["task"] = "last-word";
    report["model"] = flags.model.model_name();
    tell_facts(*runtime, &report);
    tell_items(flags.items, std::ssize(passages), std::ssize(results), seconds, &report);
    write_out(dump(report) + "\n");
    return kDone;
  }
  write_out(fmt::format("last word {}\n", readable(summary.accuracy)));
  write_out(fmt::format("perplexity {:.4f} +- {:.4f} a word\n", summary.perplexity.value,
                        summary.perplexity.error));
  write_out(fmt::format("{} of {} passages; {:.1f} s\n", results.size(), passages.size(), seconds));
  return kDone;
}

}  // namespace

void add_eval_last_word(CLI::App& eval, Action& action) {
  auto* command = eval.add_subcommand(
      "last-word", "how often a model writes the last word of a passage itself (LAMBADA)");
  auto flags = std::make_shared<LastWordFlags>();
  flags->model.add(*command, true);
  flags->items.add(*command, "-f,--file,--task",
                   "passages, an object {\"text\": ...} a line; -: standard input");
  command->callback([flags, &action] { action = [flags] { return last_word(*flags); }; });
}

}  // namespace issun::apps
