#include "apps/eval.h"
#include "apps/version.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/streams.h"
#include "measure/base_logits.h"

namespace issun::apps {

namespace {

struct KldBaseFlags {
  ModelFlags model;
  WindowFlags windows;
  std::string out, type = "f16";
};

Result<std::unique_ptr<engine::Runtime>> open(const KldBaseFlags& flags) {
  auto model = TRY(flags.model.open_model());
  flags.model.warn(*model);
  const auto options = TRY(window_runtime_options(flags.model, model->config.context_length,
                                                  model->config.vocabulary_size));
  return engine::Runtime::start(std::move(model), options);
}

// Of the model and the text, for the reports of those held against it.
std::string about(const KldBaseFlags& flags, engine::Runtime& runtime, size_t text_bytes) {
  Json facts = {{"model", flags.model.model_name()}};
  tell_facts(runtime, &facts);
  facts["text"] = flags.windows.text;
  facts["text_bytes"] = text_bytes;
  facts["version"] = kVersion;
  return dump(facts);
}

Result<int> kld_base(const KldBaseFlags& flags) {
  TRY(expect_another_file(flags.out, flags.model.path));
  TRY(expect_another_file(flags.out, flags.windows.text));
  const auto runtime = TRY(open(flags));
  const std::string text = TRY(read_text(flags.windows.text));
  const tokenizer::Tokenizer& tokenizer = runtime->model().tokenizer;
  auto tokens = TRY(tokenizer.encode(text, {.add_special = true, .parse_special = false}));
  cache::PagedKv cache = TRY(runtime->new_cache());
  const double start = seconds_now();
  const auto base = TRY(measure::BaseLogits::record(
      {runtime->forward(), cache}, runtime->workers(), std::move(tokens),
      flags.windows.options(*runtime), *dtype_from_name(flags.type),
      [start](int64_t done, int64_t total) {
        show_progress(progress(done, total, start, "tokens"));
      }));
  hide_progress();
  TRY(runtime->model().file.still_whole());
  TRY(base.save(flags.out, measure::vocabulary_hash(tokenizer),
                about(flags, *runtime, text.size())));
  write_out(fmt::format("{} rows of {} logits in {}: {}; {:.1f} s\n", base.rows(),
                        base.vocabulary(), issun::name(base.type()), flags.out,
                        seconds_now() - start));
  return kDone;
}

}  // namespace

void add_eval_kld_base(CLI::App& eval, Action& action) {
  auto* command = eval.add_subcommand(
      "kld-base",
      "keep what a model says of a text, for kld --stored-base: memory and a file of 2 "
      "bytes for each scored token and entry of the vocabulary");
  auto flags = std::make_shared<KldBaseFlags>();
  flags->model.add(*command, true);
  flags->windows.add(*command);
  command->add_option("-o,--out", flags->out, "file to write")->required()->check(expect_text);
  command->add_option("--type", flags->type, "numbers of the file; f32: exact, twice as large")
      ->check(CLI::IsMember({"f32", "f16"}))
      ->capture_default_str();
  command->callback([flags, &action] { action = [flags] { return kld_base(*flags); }; });
}

}  // namespace issun::apps
