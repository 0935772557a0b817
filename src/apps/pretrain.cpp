#include "train/pretrain.h"

#include "apps/commands.h"
#include "apps/training_report.h"
#include "base/quote.h"
#include "base/streams.h"
#include "base/terminal.h"

namespace issun::apps {

namespace {

struct PretrainFlags {
  train::PretrainOptions options;
  int threads = 0;
  bool json = false;
};

Result<int> run_pretrain(const PretrainFlags& flags) {
  const kernels::KernelTable& kernels = *TRY(kernels::choose_kernels());
  const auto workers =
      TRY(Workers::create(flags.threads > 0 ? flags.threads : default_thread_count()));
  TrainingReport report(*workers, kernels);
  const Interrupts interrupts;
  const auto done = TRY(train::pretrain(flags.options, kernels, *workers, report.reports()));
  hide_progress();
  if (flags.json) {
    Json json = report.figures(done.run);
    json["model"] = done.model.empty() ? Json() : Json(done.model);
    write_out(dump(json) + "\n");
    return kDone;
  }
  write_out(report.summary(done.run) + "\n");
  write_out(done.model.empty()
                ? fmt::format("go on with the same command; {} holds what it needs\n",
                              visible(flags.options.folder))
                : fmt::format("{}\n", visible(done.model)));
  return kDone;
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
  command->add_option("--out", options.folder, "folder for checkpoints, curve and model")
      ->required()
      ->check(expect_text);
  command->add_flag("--restart", options.restart, "forget what the folder has of an earlier run");
  command->add_option("--until", options.until, "stop at this step, with a checkpoint")
      ->check(CLI::Range(int64_t{1}, INT64_MAX));
  command->add_option("-t,--threads", flags->threads, "threads; 0 or -1: one for each core")
      ->check(CLI::Range(-1, 1024));
  command->add_flag("--json", flags->json, "report as JSON");
  command->callback([flags, &action] { action = [flags] { return run_pretrain(*flags); }; });
}

}  // namespace issun::apps
