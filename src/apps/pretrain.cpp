#include "train/pretrain.h"

#include "apps/training_report.h"
#include "base/terminal.h"

namespace issun::apps {

namespace {

struct PretrainFlags {
  train::PretrainOptions options;
  TrainingFlags run;
};

Result<int> run_pretrain(const PretrainFlags& flags) {
  const kernels::KernelTable& kernels = *TRY(kernels::choose_kernels());
  const auto workers = TRY(flags.run.workers());
  TrainingReport report(*workers, kernels);
  const Interrupts interrupts;
  const auto done = TRY(train::pretrain(flags.options, kernels, *workers, report.reports()));
  return report.finish(done.run, "model", done.model, flags.options.folder, flags.run.json);
}

}  // namespace

void add_pretrain(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand(
      "pretrain", "train a model from nothing; called again it goes on where it was");
  auto flags = std::make_shared<PretrainFlags>();
  train::PretrainOptions& options = flags->options;
  command
      ->add_option("--config", options.config, "JSON file: \"model\", \"tokenizer\", \"training\"")
      ->required()
      ->check(expect_text);
  command
      ->add_option("--data", options.data,
                   "files (.txt, .md, .jsonl) and folders of them to learn from")
      ->required()
      ->check(expect_text);
  flags->run.add(*command, options.folder, options.restart, options.until);
  command->callback([flags, &action] { action = [flags] { return run_pretrain(*flags); }; });
}

}  // namespace issun::apps
