#include "apps/eval_items.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/streams.h"
#include "measure/choice.h"

namespace issun::apps {

namespace {

struct ChoiceFlags {
  ModelFlags model;
  ItemFlags items;
  std::string format;
};

Result<int> choice(const ChoiceFlags& flags) {
  const std::string data = TRY(read_text(flags.items.data));
  const auto questions =
      TRY(measure::read_questions(data, flags.items.data, *measure::question_format(flags.format)));
  const auto runtime = TRY(open_for_scoring(flags.model));
  cache::PagedKv cache = TRY(runtime->new_cache());
  measure::ContinuationScorer scorer(runtime->forward(), cache);
  Json run = describe_run("choice", data, runtime.get());
  run["format"] = flags.format;
  const double start = seconds_now();
  const auto measured =
      TRY(measure_items(flags.items, run, std::ssize(questions), [&](int64_t item) -> Result<Json> {
        return to_json(TRY(measure::answer(questions[static_cast<size_t>(item)],
                                           runtime->model().tokenizer, scorer)));
      }));
  const double seconds = seconds_now() - start;
  TRY(runtime->model().file.still_whole());
  std::vector<measure::ChoiceResult> results;
  for (const issun::Json& result : measured) results.push_back(TRY(measure::choice_result(result)));
  const measure::ChoiceSummary summary = measure::summarise(results);
  if (flags.items.json) {
    Json report = to_json(summary);
    report["task"] = "choice";
    report["format"] = flags.format;
    report["model"] = flags.model.model_name();
    tell_facts(*runtime, &report);
    tell_items(flags.items, std::ssize(questions), std::ssize(results), seconds, &report);
    write_out(dump(report) + "\n");
    return kDone;
  }
  write_out(fmt::format("accuracy {}\n", readable(summary.accuracy)));
  write_out(fmt::format("by the byte {}\n", readable(summary.accuracy_by_byte)));
  write_out(fmt::format("{:.2f} % for a guess; {}, {} of {} questions; {:.1f} s\n",
                        100 * summary.chance, flags.format, results.size(), questions.size(),
                        seconds));
  return kDone;
}

}  // namespace

void add_eval_choice(CLI::App& eval, Action& action) {
  auto* command = eval.add_subcommand(
      "choice", "how often a model finds the right one of several endings the likeliest");
  auto flags = std::make_shared<ChoiceFlags>();
  flags->model.add(*command, true);
  flags->items.add(*command, "-f,--file,--task",
                   "questions, a JSON object a line; -: standard input");
  command->add_option("--format", flags->format, "what the objects have, as it was published")
      ->required()
      ->check(CLI::IsMember({"jcommonsenseqa", "jnli", "hellaswag", "generic"}));
  command->callback([flags, &action] { action = [flags] { return choice(*flags); }; });
}

}  // namespace issun::apps
