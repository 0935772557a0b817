#include "train/tune.h"

#include "apps/training_report.h"
#include "base/terminal.h"

namespace issun::apps {

namespace {

constexpr int kPairsByDefault = 32;  // a batch: a query's others come from it

struct TuneFlags {
  train::TuneOptions options;
  train::AdapterOptions adapters;
  std::string targets, schedule = "cosine", split = "file", long_talks = "refuse", type = "f16";
  std::string template_file, precision = "auto", recompute = "auto";
  bool full = false, contrastive = false, batch_given = false, accumulate_given = false;
  train::ContrastiveOptions pairs;
  TrainingFlags run;
};

std::vector<std::string> parts_of(const std::string& list) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= list.size() && !list.empty();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    parts.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

Result<train::TuneOptions> options_of(const TuneFlags& flags) {
  train::TuneOptions options = flags.options;
  train::TrainingConfig& training = options.training;
  options.adapters.reset();
  if (!flags.full) {
    options.adapters = flags.adapters;
    options.adapters->targets = parts_of(flags.targets);
    options.adapters->seed = training.seed;
  }
  training.schedule.decay = TRY(train::decay_from_name(flags.schedule));
  options.documents.split = TRY(train::document_split_from_name(flags.split));
  options.long_talk = TRY(train::long_talk_from_name(flags.long_talks));
  options.type = *dtype_from_name(flags.type);
  if (options.rounds && options.type == DType::F32) {
    return fail("qat: expected a --type that rounds, found f32");
  }
  if (!flags.template_file.empty()) options.chat_template = TRY(read_text(flags.template_file));
  if (flags.precision == "f32") training.precision = kernels::GemmPrecision::F32;
  if (flags.precision == "bf16") training.precision = kernels::GemmPrecision::BF16;
  if (flags.recompute == "on") training.recompute = train::Recompute::On;
  if (flags.recompute == "off") training.recompute = train::Recompute::Off;
  if (training.steps != 0) training.epochs = 0;
  if (flags.contrastive) {
    options.contrastive = flags.pairs;
    if (!flags.batch_given) training.batch_sequences = kPairsByDefault;
    if (!flags.accumulate_given) training.accumulate = 1;
  }
  TRY(expect_another_file(options.folder + (flags.full ? "/model.gguf" : "/adapter.gguf"),
                          options.model));
  return options;
}

Result<int> run_tune(const TuneFlags& flags) {
  const train::TuneOptions options = TRY(options_of(flags));
  const kernels::KernelTable& kernels = *TRY(kernels::choose_kernels());
  const auto workers = TRY(flags.run.workers());
  TrainingReport report(*workers, kernels);
  const Interrupts interrupts;
  const auto done = TRY(train::tune(options, kernels, *workers, report.reports()));
  return report.finish(done.run, "file", done.file, options.folder, flags.run.json);
}

void add_adapter_flags(CLI::App& command, TuneFlags& flags) {
  auto* full = command.add_flag("--full", flags.full, "all weights, instead of adapters (LoRA)");
  command.add_option("--type", flags.type, "with --full: number format of the file's matrices")
      ->needs(full)
      ->check(CLI::IsMember({"f32", "f16", "bf16", "q8_0", "q6_k", "q5_k", "q4_k", "q4_0"}))
      ->capture_default_str();
  command
      .add_flag("--qat", flags.options.rounds,
                "compute with the weights as --type rounds them all the while "
                "(quantisation-aware training)")
      ->needs(full);
  command.add_option("--rank", flags.adapters.rank, "of adapters")
      ->excludes(full)
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command.add_option("--alpha", flags.adapters.alpha, "adapters count alpha / rank")
      ->excludes(full)
      ->check(CLI::Range(1e-6, 1e6))
      ->capture_default_str();
  command
      .add_option("--targets", flags.targets,
                  "matrices that get adapters, as parts of their names: attn_q,attn_v; "
                  "all, if not given")
      ->excludes(full);
}

void add_pair_flags(CLI::App& command, TuneFlags& flags) {
  auto* contrastive = command.add_flag(
      "--contrastive", flags.contrastive,
      "the data is pairs: learn vectors (issun embed) that are near for texts of a pair");
  command.add_option("--temperature", flags.pairs.temperature, "of the likeness of two vectors")
      ->needs(contrastive)
      ->check(CLI::Range(1e-4, 100.0))
      ->capture_default_str();
  command
      .add_flag("--both-ways", flags.pairs.both_ways,
                "each answer looks for its query as well, not only the query for its answer")
      ->needs(contrastive);
}

void add_training_flags(CLI::App& command, TuneFlags& flags) {
  train::TrainingConfig& training = flags.options.training;
  training.epochs = 1;
  training.schedule.peak = 1e-4;
  training.adamw.weight_decay = 0;
  training.valid_share = 0.05;
  training.checkpoint_every = 50;
  training.valid_every = 50;
  training.batch_sequences = 1;
  training.accumulate = 8;
  auto* epochs = command.add_option("--epochs", training.epochs, "times over the data")
                     ->check(CLI::Range(1e-3, 1e6))
                     ->capture_default_str();
  command.add_option("--steps", training.steps, "instead of epochs")
      ->excludes(epochs)
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 50));
  command.add_option("--learning-rate", training.schedule.peak, "of the schedule's peak")
      ->check(CLI::Range(1e-9, 1.0))
      ->capture_default_str();
  command.add_option("--schedule", flags.schedule, "constant, linear, cosine or wsd")
      ->capture_default_str();
  command.add_option("--warmup", training.schedule.warmup, "steps")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 40))
      ->capture_default_str();
  command.add_option("--weight-decay", training.adamw.weight_decay)
      ->check(CLI::Range(0.0, 10.0))
      ->capture_default_str();
  command.add_option("--clip", training.adamw.clip, "largest norm of the gradients; 0: none")
      ->check(CLI::Range(0.0, 1e9))
      ->capture_default_str();
  command
      .add_option("--sequence", training.sequence_length,
                  "tokens of a sequence; at most 512 of the model's if not given; of pairs: of "
                  "a text")
      ->check(CLI::Range(2, 1 << 24));
  command
      .add_option(
          "--batch", training.batch_sequences,
          fmt::format("sequences run at once; of pairs: a step, {} if not given", kPairsByDefault))
      ->check(CLI::Range(1, 1 << 16))
      ->capture_default_str();
  command.add_option("--accumulate", training.accumulate, "batches to a step; of pairs: 1")
      ->check(CLI::Range(1, 1 << 16))
      ->capture_default_str();
  command.add_option("--seed", training.seed)->capture_default_str();
  command.add_option("--valid-share", training.valid_share, "of the documents, held out to check")
      ->check(CLI::Range(0.0, 0.5))
      ->capture_default_str();
  command.add_option("--valid-every", training.valid_every, "steps")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40))
      ->capture_default_str();
  command.add_option("--checkpoint-every", training.checkpoint_every, "steps")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40))
      ->capture_default_str();
  command.add_option("--precision", flags.precision, "of products: auto, f32 or bf16")
      ->check(CLI::IsMember({"auto", "f32", "bf16"}))
      ->capture_default_str();
  command
      .add_option("--recompute", flags.recompute,
                  "run layers again instead of keeping them: auto, on or off")
      ->check(CLI::IsMember({"auto", "on", "off"}))
      ->capture_default_str();
}

}  // namespace

void add_tune(CLI::App& app, Action& action) {
  auto* command =
      app.add_subcommand("tune", "teach a model something more, by adapters (LoRA) or all of it");
  auto flags = std::make_shared<TuneFlags>();
  train::TuneOptions& options = flags->options;
  command->add_option("model", options.model, "GGUF file, quantised or not")
      ->required()
      ->check(expect_text);
  command
      ->add_option("data", options.data,
                   "files and folders: texts, or JSON lines with messages, prompt and completion, "
                   "instruction and output, text; with --contrastive query (or anchor), positive "
                   "and perhaps negative")
      ->required()
      ->check(expect_text);
  add_adapter_flags(*command, *flags);
  add_training_flags(*command, *flags);
  add_pair_flags(*command, *flags);
  command->add_option("--split", flags->split, "texts to documents: file, blank-lines or lines")
      ->capture_default_str();
  command
      ->add_option("--long-talks", flags->long_talks,
                   "talks, or texts of pairs, beyond a sequence: refuse, truncate or skip")
      ->capture_default_str();
  command
      ->add_option("--chat-template-file", flags->template_file,
                   "Jinja file, instead of the model's own template")
      ->excludes("--contrastive");
  flags->run.add(*command, options.folder, options.restart, options.until);
  command->callback([flags, command, &action] {
    flags->batch_given = command->count("--batch") > 0;
    flags->accumulate_given = command->count("--accumulate") > 0;
    action = [flags] { return run_tune(*flags); };
  });
}

}  // namespace issun::apps
