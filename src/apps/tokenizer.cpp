#include "apps/commands.h"
#include "apps/json.h"
#include "base/clock.h"
#include "base/quote.h"
#include "base/streams.h"
#include "train/tokenizer_trainer.h"

namespace issun::apps {

namespace {

struct TrainFlags {
  train::TextOptions text;
  train::TokenizerOptions tokenizer;
  std::string type, out;
  int threads = 0;
  bool json = false;
};

Result<int> train_tokenizer(TrainFlags flags) {
  const double start = seconds_now();
  if (flags.threads <= 0) flags.threads = default_thread_count();
  const auto workers = TRY(Workers::create(flags.threads));
  show_progress("reading ...");
  const train::TrainingText text = TRY(train::TrainingText::open(flags.text, *workers));
  flags.tokenizer.progress = [](std::string_view what) { show_progress(std::string(what)); };
  const auto vocabulary = TRY(train::train_tokenizer(text, flags.tokenizer, *workers));
  TRY(train::write_vocabulary(vocabulary, flags.out));
  const double seconds = seconds_now() - start;
  hide_progress();
  if (flags.json) {
    write_out(dump(Json{{"file", flags.out},
                        {"type", flags.type},
                        {"tokens", vocabulary.tokens.size()},
                        {"files", text.files()},
                        {"text_bytes", text.bytes()},
                        {"threads", flags.threads},
                        {"seconds", seconds}}) +
              "\n");
    return kDone;
  }
  write_out(fmt::format("{}: {} tokens ({}) from {:.1f} MB in {} {}, {:.1f} s\n",
                        visible(flags.out), vocabulary.tokens.size(), flags.type,
                        static_cast<double>(text.bytes()) * 1e-6, text.files(),
                        text.files() == 1 ? "file" : "files", seconds));
  return kDone;
}

}  // namespace

void add_tokenizer(CLI::App& app, Action& action) {
  auto* group = app.add_subcommand("tokenizer", "make a vocabulary for a model of one's own");
  group->require_subcommand(1);
  auto* command = group->add_subcommand("train", "learn a vocabulary from texts");
  auto flags = std::make_shared<TrainFlags>();
  auto& options = flags->tokenizer;
  command
      ->add_option("input", flags->text.inputs,
                   "text files, .jsonl files (the \"text\" of each line), or folders of them")
      ->required()
      ->check(expect_text);
  command->add_option("--type", flags->type, "bpe: pairs of bytes; unigram: pieces by likelihood")
      ->required()
      ->check(CLI::IsMember({"bpe"}));
  command->add_option("--vocab-size", options.vocabulary_size, "tokens, special ones included")
      ->required()
      ->check(CLI::Range(1, 1 << 22));
  command->add_option("--out", flags->out, "GGUF file to write")->required()->check(expect_text);
  auto* special = command
                      ->add_option("--special", options.special,
                                   "a control token beside <s> and </s>, such as the mark of a "
                                   "chat; may be given several times")
                      ->allow_extra_args(false)
                      ->capture_default_str();
  command
      ->add_flag_callback(
          "--no-special", [flags] { flags->tokenizer.special.clear(); },
          "none but those that the type needs")
      ->excludes(special);
  command
      ->add_option("--min-frequency", options.min_frequency,
                   "how often a pair, or a piece, has to occur")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40))
      ->capture_default_str();
  auto* pre =
      command
          ->add_option("--pre", options.pre, "bpe: how words are cut, a name of tokenizer.ggml.pre")
          ->capture_default_str();
  auto* sample = command
                     ->add_option("--sample-bytes", flags->text.sample_bytes,
                                  "learn from about so much of the text, chosen evenly")
                     ->check(CLI::Range(int64_t{1}, int64_t{1} << 50));
  command->add_option("--seed", flags->text.seed, "of the sample")->needs(sample);
  command->add_option("-t,--threads", flags->threads, "threads; 0 or -1: one for each core")
      ->check(CLI::Range(-1, 1024))
      ->capture_default_str();
  command->add_flag("--json", flags->json, "report as JSON");
  command->callback([flags, pre, &action] {
    (void)pre;
    action = [flags] { return train_tokenizer(*flags); };
  });
}

}  // namespace issun::apps
