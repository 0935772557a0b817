#include "apps/eval.h"
#include "apps/version.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/streams.h"
#include "measure/perplexity.h"

namespace issun::apps {

namespace {

struct PerplexityFlags {
  ModelFlags model;
  WindowFlags windows;
  bool json = false;
};

Result<std::unique_ptr<engine::Runtime>> open(const PerplexityFlags& flags) {
  auto model = TRY(flags.model.open_model());
  flags.model.warn(*model);
  const auto options = TRY(window_runtime_options(flags.model, model->config.context_length,
                                                  model->config.vocabulary_size));
  return engine::Runtime::start(std::move(model), options);
}

void print_readable(const measure::Surprise& surprise, const measure::PerplexityOptions& options,
                    double seconds) {
  write_out(fmt::format("perplexity {:.4f} +- {:.4f} a token\n", surprise.perplexity(),
                        surprise.perplexity_error()));
  write_out(fmt::format("{:.4f} bits a token, {:.4f} bits a byte\n", surprise.bits_per_token(),
                        surprise.bits_per_byte()));
  write_out(fmt::format("{} tokens ({} bytes) scored in {} windows of {}, {}", surprise.tokens,
                        surprise.bytes, surprise.windows, options.context, name(options.protocol)));
  if (options.protocol == measure::Protocol::Strided)
    write_out(fmt::format(" by {}", options.stride));
  write_out(fmt::format("; {:.1f} s, {:.1f} tokens/s\n", seconds,
                        static_cast<double>(surprise.tokens) / seconds));
}

Result<int> perplexity(const PerplexityFlags& flags) {
  const auto runtime = TRY(open(flags));
  const tokenizer::Tokenizer& tokenizer = runtime->model().tokenizer;
  const std::string text = TRY(read_text(flags.windows.text));
  const std::vector<int32_t> tokens =
      TRY(tokenizer.encode(text, {.add_special = true, .parse_special = false}));
  const auto bytes_of = [&](int32_t token) {
    std::string piece;
    tokenizer.append_piece(token, false, piece);
    return static_cast<int64_t>(piece.size());
  };
  cache::PagedKv cache = TRY(runtime->new_cache());
  const double start = seconds_now();
  measure::PerplexityOptions options{flags.windows.options(*runtime), {}};
  options.progress = [start](int64_t done, int64_t total, double so_far) {
    show_progress(
        fmt::format("{}, perplexity {:.4f}", progress(done, total, start, "tokens"), so_far));
  };
  const measure::Surprise surprise = TRY(measure::measure_surprise(
      runtime->forward(), cache, runtime->workers(), tokens, bytes_of, options));
  const double seconds = seconds_now() - start;
  hide_progress();
  TRY(runtime->model().file.still_whole());
  if (!flags.json) {
    print_readable(surprise, options, seconds);
    return kDone;
  }
  Json report = to_json(surprise, options);
  report["model"] = flags.model.model_name();
  report["text"] = flags.windows.text;
  report["text_bytes"] = text.size();
  report["text_tokens"] = tokens.size();
  tell_facts(*runtime, &report);
  report["seconds"] = seconds;
  report["version"] = kVersion;
  write_out(dump(report) + "\n");
  return kDone;
}

}  // namespace

void add_eval_perplexity(CLI::App& eval, Action& action) {
  auto* command = eval.add_subcommand(
      "perplexity", "how surprised a model is by a text, in windows of limited context");
  auto flags = std::make_shared<PerplexityFlags>();
  flags->model.add(*command, true);
  flags->windows.add(*command);
  command->add_flag("--json", flags->json, "as JSON");
  command->callback([flags, &action] { action = [flags] { return perplexity(*flags); }; });
}

}  // namespace issun::apps
