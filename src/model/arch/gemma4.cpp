// Gemma 3n and 4 (text): local layers, layers that read the keys and values of an earlier one, and
// an input of its own for every layer; in 3n several streams between the layers, in 4 narrower
// heads in local layers and, in one model, experts beside the dense half.
#include <algorithm>
#include <cmath>

#include "model/arch/arch.h"

namespace issun::model::arch {

namespace {

// What both have in every layer, and all they state but the widths and the rotations.
Result<void> read_inputs(const Keys& keys, ModelConfig* config) {
  TRY(read_decoder(keys, NormKind::Rms, RopePairing::Halves, config));
  config->embedding_scale = std::sqrt(static_cast<float>(config->embedding_length));
  config->layer_input_width =
      TRY(keys.count_or("embedding_length_per_layer_input", 0, kMaxWidth, 0));
  for (LayerConfig& layer : config->layers) {
    layer.attention_scale = 1;
    layer.qk_norm = QkNorm::Head;
    layer.value_norm = true;
    layer.norms_after = true;
    layer.activation = Activation::Gelu;
  }
  return {};
}

Result<double> read_softcap(const Keys& keys, double otherwise) {
  const double softcap = TRY(keys.number_or("final_logit_softcapping", otherwise));
  if (softcap < 0) {
    return fail("{}: expected 0 or more, found {}", keys.full("final_logit_softcapping"), softcap);
  }
  return softcap;
}

// The second kind of rotation: that of layers that see a window. The file's divisors are not for
// them.
Result<void> add_local_rope(const Keys& keys, int width, ModelConfig* config) {
  RopeConfig rope = config->ropes[0];
  rope.file_factors = false;
  rope.scaling = RopeScaling::None;
  rope.factor = 1;
  rope.base = TRY(keys.number_or("rope.freq_base_swa", 10000));
  rope.dimensions = TRY(keys.count_or("rope.dimension_count_swa", 2, width, width));
  if (rope.base <= 1 || rope.dimensions % 2 != 0) {
    return fail("{}: expected a base above 1 and an even number, found {} and {}",
                keys.full("rope.freq_base_swa and rope.dimension_count_swa"), rope.base,
                rope.dimensions);
  }
  config->ropes.push_back(rope);
  return {};
}

// Gives local layers their window, width and rotation.
Result<void> use_windows(const Keys& keys, const std::vector<bool>& local, int width,
                         ModelConfig* config) {
  const int window = TRY(keys.count("attention.sliding_window", 1, 1 << 30));
  for (size_t l = 0; l < config->layers.size(); ++l) {
    if (!local[l]) continue;
    LayerConfig& layer = config->layers[l];
    layer.window = window;
    layer.rope = 1;
    layer.key_width = layer.value_width = width;
  }
  return {};
}

// The last layers have no keys and values: they read those of the last one of their kind that has.
Result<void> share_keys(const Keys& keys, const std::vector<bool>& local, int shared,
                        ModelConfig* config) {
  const size_t own = config->layers.size() - static_cast<size_t>(shared);
  for (size_t l = own; l < config->layers.size(); ++l) {
    size_t from = own;
    while (from > 0 && local[from - 1] != local[l]) --from;
    if (from == 0 || config->layers[from - 1].kv_heads != config->layers[l].kv_heads) {
      return fail("{}: expected a layer before the last {} whose keys fit layer {}, found none",
                  keys.full("attention.shared_kv_layers"), shared, l);
    }
    config->layers[l].kv_from = static_cast<int>(from) - 1;
  }
  return {};
}

}  // namespace

Result<void> read_gemma3n(const Keys& keys, ModelConfig* config) {
  TRY(read_inputs(keys, config));
  config->logit_softcap = TRY(read_softcap(keys, 30));
  if (config->layer_input_width == 0) {
    return fail("{}: expected this key, found none", keys.full("embedding_length_per_layer_input"));
  }
  config->streams.count = TRY(keys.count_or("altup.num_inputs", 2, 16, 4));
  config->streams.active = TRY(keys.count_or("altup.active_idx", 0, config->streams.count - 1, 0));
  config->streams.low_rank = 64;  // no key states it; the tensors must agree
  const int layers = static_cast<int>(config->layers.size());
  constexpr int kSparseLayers = 10;                 // likewise
  constexpr double kSparsity = 1.6448533535003662;  // 95 % of a normal distribution lie below
  std::vector<bool> local(static_cast<size_t>(layers));
  for (int l = 0; l < layers; ++l) {
    local[static_cast<size_t>(l)] = is_local({.window = 1, .period = 5}, l);
    if (l < kSparseLayers) config->layers[static_cast<size_t>(l)].gate_cutoff = kSparsity;
  }
  if (keys.is_array("attention.sliding_window_pattern"))
    local = TRY(keys.flag_per_layer("attention.sliding_window_pattern", layers));
  const int width = config->layers[0].key_width;
  TRY(add_local_rope(keys, width, config));
  TRY(use_windows(keys, local, width, config));
  constexpr int kOwnLayers = 20;
  const int shared = TRY(
      keys.count_or("attention.shared_kv_layers", 0, layers - 1, std::max(0, layers - kOwnLayers)));
  return share_keys(keys, local, shared, config);
}

Result<void> read_gemma4(const Keys& keys, ModelConfig* config) {
  TRY(read_inputs(keys, config));
  config->logit_softcap = TRY(read_softcap(keys, 0));
  const int width = config->layers[0].key_width;
  const int local_width = TRY(keys.count("attention.key_length_swa", 1, width));
  TRY(keys.count_or("attention.value_length", width, width, width));
  TRY(keys.count_or("attention.value_length_swa", local_width, local_width, local_width));
  for (LayerConfig& layer : config->layers) layer.output_scale = true;
  const int layers = static_cast<int>(config->layers.size());
  const std::vector<bool> local =
      TRY(keys.flag_per_layer("attention.sliding_window_pattern", layers));
  TRY(add_local_rope(keys, local_width, config));
  TRY(use_windows(keys, local, local_width, config));
  MixtureConfig mixture;
  mixture.beside_dense = true;
  TRY(read_mixture(keys, mixture, config));
  for (LayerConfig& layer : config->layers) layer.mixture.shared_length = layer.feed_forward_length;
  const int shared = TRY(keys.count_or("attention.shared_kv_layers", 0, layers - 1, 0));
  return share_keys(keys, local, shared, config);
}

}  // namespace issun::model::arch
