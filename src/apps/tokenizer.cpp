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
  std::string type, out, normalize = "none";
  int threads = 0;
  bool json = false;
};

Result<int> train_tokenizer(TrainFlags flags) {
  const double start = seconds_now();
  flags.tokenizer.type =
      flags.type == "bpe" ? train::TokenizerType::Bpe : train::TokenizerType::Unigram;
  flags.tokenizer.nfkc = flags.normalize == "nfkc";
  if (flags.threads <= 0) flags.threads = default_thread_count();
  const auto workers = TRY(Workers::create(flags.threads));
  show_progress("reading ...");
  train::TrainingText text = TRY(train::TrainingText::open(flags.text, *workers));
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

// Flags that the other type has no use for.
constexpr const char* kOnlyBpe[] = {"--pre"};
constexpr const char* kOnlyUnigram[] = {"--character-coverage", "--byte-fallback",
                                        "--split-by-unicode-script", "--split-by-number"};

void add_type_flags(CLI::App& command, TrainFlags& flags) {
  train::TokenizerOptions& options = flags.tokenizer;
  command.add_option("--pre", options.pre, "bpe: how words are cut, a name of tokenizer.ggml.pre")
      ->capture_default_str();
  command
      .add_option("--normalize", flags.normalize,
                  "unigram: none, or nfkc, which is recorded in the file")
      ->check(CLI::IsMember({"none", "nfkc"}))
      ->capture_default_str();
  command
      .add_option("--character-coverage", options.character_coverage,
                  "unigram: the share of the text whose characters get a token each")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command.add_flag("--byte-fallback,!--no-byte-fallback", options.byte_fallback,
                   "unigram: the rarest characters become bytes, not <unk> (the default)");
  command.add_flag("--split-by-unicode-script,!--no-split-by-unicode-script",
                   options.cut.split_by_unicode_script,
                   "unigram: no token mixes scripts; kanji and kana count as one (the default)");
  command.add_flag("--split-by-number,!--no-split-by-number", options.cut.split_by_number,
                   "unigram: no token mixes digits and letters (the default)");
}

void refuse_flags_of_other_type(const CLI::App& command, const std::string& type) {
  const auto refuse = [&](const char* flag, const char* needed) {
    if (type == needed || command.get_option(flag)->count() == 0) return;
    throw CLI::ValidationError(flag,
                               fmt::format("is for --type {}, found --type {}", needed, type));
  };
  for (const char* flag : kOnlyBpe) refuse(flag, "bpe");
  for (const char* flag : kOnlyUnigram) refuse(flag, "unigram");
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
      ->check(CLI::IsMember({"bpe", "unigram"}));
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
  add_type_flags(*command, *flags);
  auto* sample = command
                     ->add_option("--sample-bytes", flags->text.sample_bytes,
                                  "learn from about so much of the text, chosen evenly")
                     ->check(CLI::Range(int64_t{1}, int64_t{1} << 50));
  command->add_option("--seed", flags->text.seed, "of the sample")->needs(sample);
  command->add_option("-t,--threads", flags->threads, "threads; 0 or -1: one for each core")
      ->check(CLI::Range(-1, 1024))
      ->capture_default_str();
  command->add_flag("--json", flags->json, "report as JSON");
  command->callback([flags, command, &action] {
    refuse_flags_of_other_type(*command, flags->type);
    action = [flags] { return train_tokenizer(*flags); };
  });
}

}  // namespace issun::apps
