#include "apps/eval.h"

#include <algorithm>

#include "base/clock.h"

namespace issun::apps {

namespace {
constexpr int64_t kDefaultWindow = 512;
constexpr int64_t kLogitBytes = 64 << 20;  // of the rows computed at a time

int logit_rows(int vocabulary) {
  return static_cast<int>(std::clamp<int64_t>(
      kLogitBytes / (static_cast<int64_t>(sizeof(float)) * vocabulary), 16, 512));
}
}  // namespace

void WindowFlags::add(CLI::App& command) {
  command.get_option("--ctx-size")
      ->description("tokens of a window; 0: 512, or the model's context if that is less");
  command.add_option("--text,-f,--file", text, "text to read; -: standard input")->required();
  command.add_option("--stride", stride, "tokens from window to window; 0: half a window")
      ->check(CLI::Range(0, 1 << 30))
      ->capture_default_str();
  command
      .add_option("--protocol", protocol,
                  "strided: every token is scored once; halves: only the second half of windows "
                  "that do not overlap, as llama-perplexity does")
      ->check(CLI::IsMember({"strided", "halves"}))
      ->capture_default_str();
}

measure::WindowOptions WindowFlags::options(engine::Runtime& runtime) const {
  const tokenizer::Tokenizer& tokenizer = runtime.model().tokenizer;
  measure::WindowOptions options;
  options.protocol = protocol == "halves" ? measure::Protocol::Halves : measure::Protocol::Strided;
  options.context = static_cast<int>(runtime.options().context);
  options.stride = stride > 0 ? stride : std::max(1, options.context / 2);
  options.bos = tokenizer.adds_bos() ? tokenizer.bos() : -1;
  return options;
}

Result<engine::RuntimeOptions> window_runtime_options(const ModelFlags& flags, int64_t context,
                                                      int vocabulary) {
  engine::RuntimeOptions options = TRY(flags.runtime_options());
  if (options.context == 0) options.context = std::min(kDefaultWindow, context);
  options.max_outputs = logit_rows(vocabulary);
  return options;
}

Result<std::unique_ptr<engine::Runtime>> open_for_scoring(const ModelFlags& flags) {
  auto model = TRY(flags.open_model());
  flags.warn(*model);
  engine::RuntimeOptions options = TRY(flags.runtime_options());
  options.max_outputs = logit_rows(model->config.vocabulary_size);
  return engine::Runtime::start(std::move(model), options);
}

void tell_facts(engine::Runtime& runtime, Json* report) {
  (*report)["cache_type"] = issun::name(runtime.options().cache_type);
  (*report)["exact"] = runtime.options().exact;
  (*report)["isa"] = runtime.kernels().name;
  (*report)["threads"] = runtime.options().threads;
}

std::string progress(int64_t done, int64_t total, double start, const char* what) {
  const double left = (seconds_now() - start) * static_cast<double>(total - done) /
                      static_cast<double>(std::max<int64_t>(1, done));
  return fmt::format("{} of {} {}, {:.0f} s left", done, total, what, left);
}

void add_eval(CLI::App& app, Action& action) {
  auto* eval = app.add_subcommand("eval", "how good a model is");
  eval->require_subcommand(1);
  add_eval_perplexity(*eval, action);
  add_eval_kld(*eval, action);
  add_eval_choice(*eval, action);
  add_eval_last_word(*eval, action);
  add_eval_code(*eval, action);
}

}  // namespace issun::apps
