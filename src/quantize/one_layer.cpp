#include "quantize/one_layer.h"

#include <algorithm>
#include <numeric>

#include "model/sequence.h"

namespace issun::quantize {

namespace {

Result<void> check_simple(const model::ModelConfig& config) {
  const auto refuse = [&](std::string_view what) {
    return fail(
        "{}: expected layers that read what the one below gives and nothing else, found {}: "
        "calibration cannot run them one by one",
        config.architecture, what);
  };
  if (config.streams.count > 1) return refuse("several streams");
  if (config.layer_input_width != 0) return refuse("inputs of each layer's own");
  if (!config.causal) return refuse("a model that does not continue text");
  for (const model::LayerConfig& layer : config.layers) {
    if (layer.kv_from != model::kOwnKeys) return refuse("keys of another layer");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<OneLayer>> OneLayer::create(const model::Model& model,
                                                   std::span<const int32_t> tokens, int window,
                                                   const kernels::KernelTable& kernels,
                                                   Workers& workers) {
  TRY(check_simple(model.config));
  std::unique_ptr<OneLayer> made(new OneLayer(model, window, kernels, workers));
  TRY(made->embed(tokens));
  return made;
}

int64_t OneLayer::windows() const {
  return static_cast<int64_t>(rows_.size()) / (int64_t{window_} * model_.config.embedding_length);
}

namespace {

model::ForwardOptions options_for(int window, model::ProductObserver* observer) {
  model::ForwardOptions options;
  options.max_rows = options.max_outputs = window;
  options.context = window;
  options.exact = options.hidden = true;
  options.observer = observer;
  return options;
}

// Runs a network over each window; tokens_of(i) are its tokens, its rows go to `rows`.
template <class TokensOf>
Result<void> run_windows(model::Forward& forward, const model::ModelConfig& config, int window,
                         int64_t windows, TokensOf&& tokens_of, float* rows) {
  auto cache = TRY(cache::PagedKv::create(config.kv_shape(DType::F32, DType::F32), window));
  for (int64_t i = 0; i < windows; ++i) {
    model::Sequence sequence(forward, cache);
    const auto out = TRY(sequence.append(tokens_of(i), model::Wanted::All));
    for (int64_t t = 0; rows != nullptr && t < window; ++t)
      std::copy_n(out.row(t), out.columns, rows + (i * window + t) * out.columns);
  }
  return {};
}

}  // namespace

// A network without layers.
Result<void> OneLayer::embed(std::span<const int32_t> tokens) {
  model::ModelConfig config = model_.config;
  model::Weights weights = model_.weights;
  config.layers.clear();
  weights.layers.clear();
  config.output_norm = false;
  weights.output_norm = {};
  const int64_t windows = static_cast<int64_t>(tokens.size()) / window_;
  rows_.resize(static_cast<size_t>(windows * window_ * config.embedding_length));
  const auto forward = TRY(
      model::Forward::create(config, weights, kernels_, workers_, options_for(window_, nullptr)));
  return run_windows(
      *forward, config, window_, windows,
      [&](int64_t i) {
        return tokens.subspan(static_cast<size_t>(i * window_), static_cast<size_t>(window_));
      },
      rows_.data());
}

Result<void> OneLayer::look(int l, const model::LayerWeights& weights,
                            model::ProductObserver* observer, bool first_only) {
  return run(l, weights, observer, first_only ? 1 : windows(), false);
}

Result<void> OneLayer::advance(int l, const model::LayerWeights& weights) {
  return run(l, weights, nullptr, windows(), true);
}

// A network of one layer, in which the rows of a window are the embeddings of tokens 0, 1, 2, ...
Result<void> OneLayer::run(int l, const model::LayerWeights& layer,
                           model::ProductObserver* observer, int64_t windows, bool keep) {
  model::ModelConfig config = model_.config;
  config.layers = {model_.config.layers[static_cast<size_t>(l)]};
  config.vocabulary_size = window_;
  config.embedding_scale = 1;
  config.learned_positions = 0;
  config.embedding_norm = config.output_norm = false;
  model::Weights weights = model_.weights;
  weights.layers = {layer};
  weights.learned_positions = weights.token_types = {};
  weights.embedding_norm = weights.output_norm = {};
  weights.token_embedding = {.name = "rows", .size = {config.embedding_length, window_, 1, 1}};
  weights.token_embedding.data = reinterpret_cast<const std::byte*>(rows_.data());
  weights.output = {weights.token_embedding, {}};
  const auto forward = TRY(
      model::Forward::create(config, weights, kernels_, workers_, options_for(window_, observer)));
  std::vector<int32_t> places(static_cast<size_t>(window_));
  std::iota(places.begin(), places.end(), 0);
  return run_windows(
      *forward, config, window_, windows,
      [&](int64_t i) {
        weights.token_embedding.data = reinterpret_cast<const std::byte*>(
            rows_.data() + i * window_ * config.embedding_length);
        return std::span<const int32_t>(places);
      },
      keep ? rows_.data() : nullptr);
}

}  // namespace issun::quantize
