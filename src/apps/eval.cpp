#include <algorithm>

#include "apps/commands.h"
#include "apps/json.h"
#include "apps/version.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/streams.h"
#include "measure/perplexity.h"

namespace issun::apps {

namespace {

struct PerplexityFlags {
  ModelFlags model;
  std::string text;
  int stride = 0;
  std::string protocol = "strided";
  bool json = false;
};

constexpr int64_t kDefaultContext = 512;
constexpr int64_t kLogitBytes = 64 << 20;  // of the rows computed at a time

struct Opened {
  std::unique_ptr<engine::Runtime> runtime;
  measure::PerplexityOptions options;
};

Result<Opened> open(const PerplexityFlags& flags) {
  auto model = TRY(flags.model.open_model());
  flags.model.warn(*model);
  engine::RuntimeOptions runtime_options = TRY(flags.model.runtime_options());
  if (runtime_options.context == 0) {
    runtime_options.context = std::min<int64_t>(kDefaultContext, model->config.context_length);
  }
  runtime_options.max_outputs = static_cast<int>(std::clamp<int64_t>(
      kLogitBytes / (static_cast<int64_t>(sizeof(float)) * model->config.vocabulary_size), 16,
      512));
  measure::PerplexityOptions options;
  options.protocol =
      flags.protocol == "halves" ? measure::Protocol::Halves : measure::Protocol::Strided;
  options.context = static_cast<int>(runtime_options.context);
  options.stride = flags.stride > 0 ? flags.stride : std::max(1, options.context / 2);
  options.bos = model->tokenizer.adds_bos() ? model->tokenizer.bos() : -1;
  options.progress = [](int64_t done, int64_t total, double perplexity) {
    show_progress(fmt::format("{} of {} tokens, perplexity {:.4f}", done, total, perplexity));
  };
  return Opened{TRY(engine::Runtime::start(std::move(model), runtime_options)), std::move(options)};
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
  const Opened opened = TRY(open(flags));
  engine::Runtime& runtime = *opened.runtime;
  const tokenizer::Tokenizer& tokenizer = runtime.model().tokenizer;
  const std::string text = TRY(read_text(flags.text));
  const std::vector<int32_t> tokens =
      TRY(tokenizer.encode(text, {.add_special = true, .parse_special = false}));
  const auto bytes_of = [&](int32_t token) {
    std::string piece;
    tokenizer.append_piece(token, false, piece);
    return static_cast<int64_t>(piece.size());
  };
  cache::PagedKv cache = TRY(runtime.new_cache());
  const double start = seconds_now();
  const measure::Surprise surprise = TRY(measure::measure_surprise(
      runtime.forward(), cache, runtime.workers(), tokens, bytes_of, opened.options));
  const double seconds = seconds_now() - start;
  hide_progress();
  TRY(runtime.model().file.still_whole());
  if (!flags.json) {
    print_readable(surprise, opened.options, seconds);
    return kDone;
  }
  Json report = to_json(surprise, opened.options);
  report["model"] = flags.model.model_name();
  report["text"] = flags.text;
  report["text_bytes"] = text.size();
  report["text_tokens"] = tokens.size();
  report["cache"] = engine::describe_cache(runtime.options());
  report["cache_type_k"] = issun::name(runtime.options().key_type);
  report["cache_type_v"] = issun::name(runtime.options().value_type);
  report["exact"] = runtime.options().exact;
  report["isa"] = runtime.kernels().name;
  report["threads"] = runtime.options().threads;
  report["seconds"] = seconds;
  report["version"] = kVersion;
  write_out(dump(report) + "\n");
  return kDone;
}

}  // namespace

void add_eval(CLI::App& app, Action& action) {
  auto* eval = app.add_subcommand("eval", "how good a model is");
  eval->require_subcommand(1);
  auto* command = eval->add_subcommand(
      "perplexity", "how surprised a model is by a text, in windows of limited context");
  auto flags = std::make_shared<PerplexityFlags>();
  flags->model.add(*command, true);
  command->get_option("--ctx-size")
      ->description("tokens of a window; 0: 512, or the model's context if that is less");
  command->add_option("--text,-f,--file", flags->text, "text to read; -: standard input")
      ->required();
  command->add_option("--stride", flags->stride, "tokens from window to window; 0: half a window")
      ->check(CLI::Range(0, 1 << 30))
      ->capture_default_str();
  command
      ->add_option("--protocol", flags->protocol,
                   "strided: every token is scored once; halves: only the second half of windows "
                   "that do not "
                   "overlap, as llama-perplexity does")
      ->check(CLI::IsMember({"strided", "halves"}))
      ->capture_default_str();
  command->add_flag("--json", flags->json, "as JSON");
  command->callback([flags, &action] { action = [flags] { return perplexity(*flags); }; });
}

}  // namespace issun::apps
