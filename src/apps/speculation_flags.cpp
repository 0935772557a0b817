#include "apps/speculation_flags.h"

#include "apps/commands.h"
#include "engine/model_drafter.h"
#include "engine/ngram_drafter.h"
#include "import/open.h"

namespace issun::apps {

void SpeculationFlags::add(CLI::App& command) {
  command_ = &command;
  auto* mode = command
                   .add_option("--speculate", mode_,
                               "compute several tokens of an answer at once, where they can be "
                               "guessed; what is said stays the same. ngram: guess what followed "
                               "before in the same text")
                   ->check(CLI::IsMember({"none", "ngram"}))
                   ->capture_default_str();
  command
      .add_option("--draft,--model-draft", draft_,
                  "guess by a smaller model with the same vocabulary; also -md")
      ->check(expect_text)
      ->excludes(mode);
  command.add_option("--draft-max", options_.draft_max, "tokens guessed at a time at most")
      ->check(CLI::Range(1, 32))
      ->capture_default_str();
  command
      .add_option("--draft-min", options_.draft_min,
                  "where fewer can be guessed, none is looked at")
      ->check(CLI::Range(1, 32))
      ->capture_default_str();
  command
      .add_option("--draft-p-min", least_probability_,
                  "of --draft: it guesses no further where it is less sure than this")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command
      .add_option("--draft-adapt", options_.adapt,
                  "look at as many guesses as pay by what is measured; off: at all there are")
      ->transform(
          CLI::CheckedTransformer(std::map<std::string, bool>{{"on", true}, {"off", false}}));
  command
      .add_option("--ngram-min", least_,
                  "of ngram: so many tokens must have stood there before in the same order")
      ->check(CLI::Range(1, 16))
      ->capture_default_str();
  command.add_option("--ngram-max", most_, "of ngram: so many are looked for first")
      ->check(CLI::Range(1, 16))
      ->capture_default_str();
}

void SpeculationFlags::settle() const {
  const auto refuse = [](const char* flag, const std::string& why) {
    throw CLI::ValidationError(std::string(flag) + ": " + why);
  };
  for (const char* flag : {"--draft-max", "--draft-min", "--draft-adapt"}) {
    if (has(flag) && !on()) refuse(flag, "needs --speculate ngram or --draft");
  }
  for (const char* flag : {"--ngram-min", "--ngram-max"}) {
    if (has(flag) && mode_ != "ngram") refuse(flag, "needs --speculate ngram");
  }
  if (has("--draft-p-min") && draft_.empty()) refuse("--draft-p-min", "needs --draft");
  if (options_.draft_min > options_.draft_max)
    refuse("--draft-min", fmt::format("expected up to --draft-max, {}, found {}",
                                      options_.draft_max, options_.draft_min));
  if (least_ > most_)
    refuse("--ngram-min", fmt::format("expected up to --ngram-max, {}, found {}", most_, least_));
}

void SpeculationFlags::plan(int sequences, engine::RuntimeOptions& options) const {
  if (!on()) return;
  options.max_outputs = std::max(options.max_outputs,
                                 engine::outputs_with_speculation(options_.draft_max, sequences));
}

Result<std::shared_ptr<engine::Drafter>> SpeculationFlags::drafter(engine::Runtime& runtime) const {
  if (mode_ == "ngram") return std::make_shared<engine::NgramDrafter>(least_, most_);
  if (runtime.options().memory_bytes > 0)
    return fail(
        "--draft: the plan of --memory has no place for a second model; expected one of both");
  auto model = TRY(import::open_model(draft_, [](const std::string& note) { say(note); }));
  return engine::start_draft_model(std::move(model), runtime, least_probability_);
}

Result<engine::SpeculationOptions> SpeculationFlags::open(engine::Runtime& runtime) const {
  engine::SpeculationOptions options = options_;
  if (!on()) return options;
  TRY(engine::check_speculation(runtime.model().config));
  options.drafter = TRY(drafter(runtime));
  // Who asks for more than is computed alike gets it.
  options.keep_bits = 1 + options.draft_max <= engine::kMostRowsAlone || !has("--draft-max");
  if (!options.keep_bits) {
    say(fmt::format(
        "note: --draft-max {}: batches of so many rows are multiplied in another order, and seldom "
        "a word may be another than without",
        options.draft_max));
  }
  return options;
}

}  // namespace issun::apps
