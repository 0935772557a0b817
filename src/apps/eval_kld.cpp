#include <algorithm>

#include "apps/eval.h"
#include "apps/version.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/streams.h"
#include "measure/divergence.h"

namespace issun::apps {

namespace {

struct KldFlags {
  ModelFlags model;
  WindowFlags windows;
  std::optional<std::string> base;
  std::string base_cache_type = "f16";
  bool base_exact = false, json = false;

  // The base as flags of its own: the same threads, window and batch, but its own cache type and no
  // adapters.
  ModelFlags base_flags() const {
    ModelFlags flags;
    flags.path = base.value_or(model.path);
    flags.options = model.options;
    flags.options.exact = model.options.exact || base_exact;
    flags.ubatch = model.ubatch;
    flags.cache_type = base_cache_type;
    return flags;
  }
};

struct Pair {
  std::unique_ptr<engine::Runtime> base, model;
};

Result<void> expect_a_difference(const KldFlags& flags) {
  if (flags.base || !flags.model.adapters.empty() || !flags.model.scaled_adapters.empty())
    return {};
  const auto base = TRY(flags.base_flags().runtime_options()),
             model = TRY(flags.model.runtime_options());
  if (base.cache_type != model.cache_type || base.exact != model.exact) return {};
  return fail(
      "kld: expected --base FILE, or what tells MODEL from itself (--cache-type, "
      "--base-cache-type, "
      "--base-exact, --lora), found neither");
}

Result<Pair> open(const KldFlags& flags) {
  TRY(expect_a_difference(flags));
  const ModelFlags base_flags = flags.base_flags();
  auto base = TRY(base_flags.open_model());
  auto model = TRY(flags.model.open_model());
  base_flags.warn(*base);
  flags.model.warn(*model);
  TRY(measure::expect_same_vocabulary(base->tokenizer, model->tokenizer));
  const int64_t context = std::min(base->config.context_length, model->config.context_length);
  const int vocabulary = base->config.vocabulary_size;
  const auto base_options = TRY(window_runtime_options(base_flags, context, vocabulary)),
             model_options = TRY(window_runtime_options(flags.model, context, vocabulary));
  Pair pair;
  pair.base = TRY(engine::Runtime::start(std::move(base), base_options));
  pair.model = TRY(engine::Runtime::start(std::move(model), model_options));
  return pair;
}

// As the base cuts it; the model has to cut it so too.
Result<std::vector<int32_t>> encode(const std::string& text, const Pair& pair) {
  const tokenizer::EncodeOptions options{.add_special = true, .parse_special = false};
  const auto tokens = TRY(pair.base->model().tokenizer.encode(text, options)),
             others = TRY(pair.model->model().tokenizer.encode(text, options));
  if (tokens == others) return tokens;
  return fail(
      "vocabulary: expected the model to cut the text into tokens as the base does, found {} "
      "tokens instead of {} that are not the same",
      others.size(), tokens.size());
}

std::string percent(const measure::Share& share) {
  return fmt::format("{:.2f} % ({:.2f} to {:.2f})", 100 * share.value, 100 * share.low,
                     100 * share.high);
}

void print_readable(const measure::Divergence& divergence, const measure::WindowOptions& options,
                    double seconds) {
  const measure::Estimate mean = divergence.mean(), delta = divergence.delta_p(),
                          perplexity = divergence.perplexity(), base = divergence.base_perplexity(),
                          ratio = divergence.perplexity_ratio();
  write_out(fmt::format("KLD {:.5g} +- {:.2g} nats a token\n", mean.value, mean.error));
  write_out(fmt::format(
      "median {:.4g}, 90 % {:.4g}, 95 % {:.4g}, 99 % {:.4g}, 99.9 % {:.4g}, largest {:.4g}\n",
      divergence.quantile(0.5), divergence.quantile(0.9), divergence.quantile(0.95),
      divergence.quantile(0.99), divergence.quantile(0.999), divergence.quantile(1)));
  write_out(fmt::format("same likeliest token {}\n", percent(divergence.same_top())));
  write_out(fmt::format("p(token) {:+.4f} +- {:.4f} % on average, {:.4f} % RMS\n",
                        100 * delta.value, 100 * delta.error, 100 * divergence.delta_p_rms()));
  write_out(fmt::format(
      "perplexity {:.4f} +- {:.4f}, base {:.4f} +- {:.4f}, ratio {:.6f} +- {:.6f}\n",
      perplexity.value, perplexity.error, base.value, base.error, ratio.value, ratio.error));
  write_out(fmt::format("{} tokens scored in {} windows of {}, {}", divergence.tokens.size(),
                        divergence.windows, options.context, name(options.protocol)));
  if (options.protocol == measure::Protocol::Strided)
    write_out(fmt::format(" by {}", options.stride));
  write_out(fmt::format("; {:.1f} s\n", seconds));
}

Json report_of(const KldFlags& flags, const Pair& pair, const measure::Divergence& divergence,
               const measure::WindowOptions& options) {
  Json report = to_json(divergence);
  report.update(to_json(options));
  report["model"] = flags.model.model_name();
  tell_facts(*pair.model, &report);
  report["base"] = flags.base_flags().model_name();
  report["base_cache_type"] = issun::name(pair.base->options().cache_type);
  report["base_exact"] = pair.base->options().exact;
  return report;
}

Result<int> kld(const KldFlags& flags) {
  const Pair pair = TRY(open(flags));
  const std::string text = TRY(read_text(flags.windows.text));
  const std::vector<int32_t> tokens = TRY(encode(text, pair));
  cache::PagedKv base_cache = TRY(pair.base->new_cache()),
                 model_cache = TRY(pair.model->new_cache());
  const double start = seconds_now();
  measure::DivergenceOptions options{flags.windows.options(*pair.base), {}};
  options.progress = [start](int64_t done, int64_t total, double sum) {
    show_progress(fmt::format("{}, KLD {:.5g}", progress(done, total, start, "tokens"),
                              sum / static_cast<double>(done)));
  };
  const measure::Divergence divergence = TRY(measure::measure_divergence(
      {pair.base->forward(), base_cache}, {pair.model->forward(), model_cache},
      pair.model->workers(), tokens, options));
  const double seconds = seconds_now() - start;
  hide_progress();
  TRY(pair.base->model().file.still_whole());
  TRY(pair.model->model().file.still_whole());
  if (!flags.json) {
    print_readable(divergence, options, seconds);
    return kDone;
  }
  Json report = report_of(flags, pair, divergence, options);
  report["text"] = flags.windows.text;
  report["text_bytes"] = text.size();
  report["text_tokens"] = tokens.size();
  report["seconds"] = seconds;
  report["version"] = kVersion;
  write_out(dump(report) + "\n");
  return kDone;
}

}  // namespace

void add_eval_kld(CLI::App& eval, Action& action) {
  auto* command = eval.add_subcommand(
      "kld", "how far a model's next-token distributions are from those of a base");
  auto flags = std::make_shared<KldFlags>();
  flags->model.add(*command, true);
  flags->windows.add(*command);
  command->get_option("--cache-type")->description("numbers of MODEL's cache, not of the base's");
  command
      ->add_option("--base", flags->base,
                   "model to be near to; none: MODEL itself, without adapters, with the cache of "
                   "--base-cache-type")
      ->check(expect_text);
  command->add_option("--base-cache-type", flags->base_cache_type, "numbers of the base's cache")
      ->check(CLI::IsMember({"f32", "f16"}))
      ->capture_default_str();
  command->add_flag("--base-exact", flags->base_exact,
                    "activations of the base in F32; --exact: of both");
  command->add_flag("--json", flags->json, "as JSON");
  command->callback([flags, &action] { action = [flags] { return kld(*flags); }; });
}

}  // namespace issun::apps
