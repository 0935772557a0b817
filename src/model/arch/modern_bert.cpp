// ModernBERT and its kin (Ruri v3, Granite Embedding R2): norms before the halves, none in front of
// the first, a gated feed-forward, and windows with a rotation of their own on all layers but every
// third, from the first.
#include "model/arch/arch.h"

namespace issun::model::arch {

namespace {

Result<Activation> read_activation(const Keys& keys) {
  const std::string name = TRY(keys.text_or("hidden_activation", "gelu"));
  if (name == "gelu" || name == "geglu") return Activation::Gelu;
  if (name == "silu" || name == "swiglu") return Activation::Silu;
  return fail("{}: expected gelu or silu, found {}", keys.full("hidden_activation"), name);
}

}  // namespace

Result<void> read_modern_bert(const Keys& keys, ModelConfig* config) {
  config->causal = false;
  TRY(read_common(keys, config));
  config->norm = NormKind::Layer;
  config->norm_epsilon = TRY(keys.number("attention.layer_norm_epsilon"));
  config->embedding_norm = true;
  config->reading.ranked = Pooling::Mean;
  config->reading.gelu = true;
  config->ropes[0].pairing = RopePairing::Halves;
  const int window = TRY(keys.count_or("attention.sliding_window", 0, int64_t{1} << 30, 0));
  const int period = TRY(keys.count_or("attention.sliding_window_pattern", 1, kMaxLayers, 3));
  if (window != 0) {
    RopeConfig local = config->ropes[0];
    local.base = TRY(keys.number_or("rope.freq_base_swa", 10000));
    local.scaling = RopeScaling::None;
    local.factor = 1;
    config->ropes.push_back(local);
  }
  const Activation activation = TRY(read_activation(keys));
  for (size_t l = 0; l < config->layers.size(); ++l) {
    LayerConfig& layer = config->layers[l];
    layer.activation = activation;
    layer.norm_mixer = l != 0;
    if (window == 0 || l % static_cast<size_t>(period) == 0) continue;
    layer.window = window;
    layer.rope = 1;
  }
  return {};
}

}  // namespace issun::model::arch
