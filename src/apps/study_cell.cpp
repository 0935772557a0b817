#include "apps/json.h"
#include "apps/study.h"
#include "base/file.h"
#include "base/streams.h"
#include "measure/study/cell.h"
#include "measure/study/prompts.h"

namespace issun::apps {

namespace {

struct CellFlags {
  ModelFlags model;
  std::string task, prompts;
  int generate = 32, answer_tokens = 96;
};

Result<int> run_cell(const CellFlags& flags) {
  measure::CellOptions options;
  options.model_path = flags.model.path;
  options.open = [&] { return flags.model.open(); };
  options.prompts = measure::default_prompts();
  if (!flags.prompts.empty()) {
    options.prompts = TRY(measure::parse_prompts(TRY(read_text(flags.prompts)), flags.prompts));
  }
  options.generate = flags.generate;
  options.answer_tokens = flags.answer_tokens;
  const measure::StudyRecord record = TRY(flags.task == "text" ? measure::run_text_cell(options)
                                                               : measure::run_speed_cell(options));
  Json json = {{"metrics", measure::to_json(record.metrics)}, {"facts", record.facts}};
  for (const measure::StudyAnswer& answer : record.answers)
    json["answers"].push_back({{"text", answer.text}, {"finish", answer.finish}});
  write_out(dump(json) + "\n");
  return kDone;
}

}  // namespace

void add_study_cell(CLI::App& study, Action& action) {
  auto* command = study.add_subcommand(
      "cell", "one run of a study by itself: what `study cpu` starts for each; JSON");
  auto flags = std::make_shared<CellFlags>();
  flags->model.add(*command, true);
  command
      ->add_option("--task", flags->task,
                   "speed: a prompt that fills the context, and tokens behind it; text: answers to "
                   "the prompts")
      ->check(CLI::IsMember({"speed", "text"}))
      ->required();
  command->add_option("--prompts", flags->prompts, "as of `study cpu`")->check(expect_text);
  command->add_option("-n,--generate", flags->generate, "tokens of speed")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command->add_option("--answer-tokens", flags->answer_tokens, "most tokens of an answer")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command->callback([flags, &action] { action = [flags] { return run_cell(*flags); }; });
}

}  // namespace issun::apps
