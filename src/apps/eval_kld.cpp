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
  std::string stored_base;
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
  const bool same_cache = base.key_type == model.key_type && base.value_type == model.value_type &&
                          base.rotates_keys() == model.rotates_keys() &&
                          base.rotates_values() == model.rotates_values();
  if (!same_cache || base.exact != model.exact) return {};
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

void report_divergence(const KldFlags& flags, engine::Runtime& model,
                       const measure::WindowOptions& options, const measure::Divergence& divergence,
                       double seconds, Json more) {
  if (!flags.json) {
    print_readable(divergence, options, seconds);
    return;
  }
  Json report = to_json(divergence);
  report.update(to_json(options));
  report["model"] = flags.model.model_name();
  tell_facts(model, &report);
  report.update(more);
  report["seconds"] = seconds;
  report["version"] = kVersion;
  write_out(dump(report) + "\n");
}

std::function<void(int64_t, int64_t, double)> shown_since(double start) {
  return [start](int64_t done, int64_t total, double sum) {
    show_progress(fmt::format("{}, KLD {:.5g}", progress(done, total, start, "tokens"),
                              sum / static_cast<double>(done)));
  };
}

// Both models side by side.
Result<int> kld(const KldFlags& flags) {
  const Pair pair = TRY(open(flags));
  const std::string text = TRY(read_text(flags.windows.text));
  const std::vector<int32_t> tokens = TRY(encode(text, pair));
  cache::PagedKv base_cache = TRY(pair.base->new_cache()),
                 model_cache = TRY(pair.model->new_cache());
  const double start = seconds_now();
  const measure::DivergenceOptions options{flags.windows.options(*pair.base), shown_since(start)};
  const measure::Divergence divergence = TRY(measure::measure_divergence(
      {pair.base->forward(), base_cache}, {pair.model->forward(), model_cache},
      pair.model->workers(), tokens, options));
  const double seconds = seconds_now() - start;
  hide_progress();
  TRY(pair.base->model().file.still_whole());
  TRY(pair.model->model().file.still_whole());
  report_divergence(flags, *pair.model, options, divergence, seconds,
                    {{"base", flags.base_flags().model_name()},
                     {"base_cache", engine::describe_cache(pair.base->options())},
                     {"base_exact", pair.base->options().exact},
                     {"text", flags.windows.text},
                     {"text_bytes", text.size()},
                     {"text_tokens", tokens.size()}});
  return kDone;
}

Result<std::unique_ptr<engine::Runtime>> open_for(const measure::BaseLogits& base,
                                                  const KldFlags& flags) {
  auto model = TRY(flags.model.open_model());
  flags.model.warn(*model);
  const uint64_t hash = measure::vocabulary_hash(model->tokenizer);
  if (model->config.vocabulary_size != base.vocabulary() || hash != base.vocabulary_hash()) {
    return fail(
        "vocabulary: expected {} tokens with the hash {:016x} as the base has, found {} with "
        "{:016x}",
        base.vocabulary(), base.vocabulary_hash(), model->config.vocabulary_size, hash);
  }
  auto options = TRY(window_runtime_options(flags.model, 0, base.vocabulary()));
  options.context = base.options().context;
  return engine::Runtime::start(std::move(model), options);
}

// The model against what a base said before.
Result<int> kld_stored(const KldFlags& flags) {
  const auto base = TRY(measure::BaseLogits::load(flags.stored_base));
  const auto runtime = TRY(open_for(base, flags));
  cache::PagedKv cache = TRY(runtime->new_cache());
  const double start = seconds_now();
  const measure::Divergence divergence = TRY(measure::measure_divergence(
      base, {runtime->forward(), cache}, runtime->workers(), shown_since(start)));
  const double seconds = seconds_now() - start;
  hide_progress();
  TRY(runtime->model().file.still_whole());
  report_divergence(flags, *runtime, base.options(), divergence, seconds,
                    {{"stored_base", flags.stored_base},
                     {"base_about", base.about()},
                     {"base_type", issun::name(base.type())},
                     {"text_tokens", base.tokens().size()}});
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
  command
      ->add_option("--base-cache-type", flags->base_cache_type,
                   "numbers of the base's cache, keys and values")
      ->check(CLI::IsMember({"f32", "f16"}))
      ->capture_default_str();
  command->add_flag("--base-exact", flags->base_exact,
                    "activations of the base in F32; --exact: of both");
  auto* stored = command
                     ->add_option("--stored-base", flags->stored_base,
                                  "what issun eval kld-base wrote, in place of --base and a text")
                     ->check(expect_text);
  auto* text = command->get_option("--text")->required(false);
  for (const char* other : {"--base", "--base-cache-type", "--base-exact", "--text", "--ctx-size",
                            "--stride", "--protocol"})
    stored->excludes(command->get_option(other));
  command->add_flag("--json", flags->json, "as JSON");
  command->callback([flags, text, &action] {
    const bool is_stored = !flags->stored_base.empty();
    if (!is_stored && text->empty()) throw CLI::RequiredError("--text");
    action = [flags, is_stored] { return is_stored ? kld_stored(*flags) : kld(*flags); };
  });
}

}  // namespace issun::apps
