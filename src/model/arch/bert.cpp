// BERT and its kin: encoders whose layers norm the sum of what comes in and what they add. bert has
// learned positions, jina-bert-v2 scores that fall with the distance, nomic-bert rotations, and
// nomic-bert-moe experts as well.
#include "model/arch/arch.h"

namespace issun::model::arch {

namespace {

Result<void> read_encoder(const Keys& keys, ModelConfig* config) {
  config->causal = false;
  TRY(read_common(keys, config));
  config->norm = NormKind::Layer;
  config->norm_epsilon = TRY(keys.number("attention.layer_norm_epsilon"));
  config->embedding_norm = true;
  config->output_norm = false;
  for (LayerConfig& layer : config->layers) {
    layer.norms_before = false;
    layer.norms_after = layer.norms_sum = true;
    layer.activation = Activation::Gelu;
  }
  return {};
}

void without_rope(ModelConfig* config) {
  config->ropes.clear();
  for (LayerConfig& layer : config->layers) layer.rope = kNoRope;
}

}  // namespace

Result<void> read_bert(const Keys& keys, ModelConfig* config) {
  TRY(read_encoder(keys, config));
  without_rope(config);
  config->learned_positions = static_cast<int>(config->context_length);
  for (LayerConfig& layer : config->layers) layer.feed_forward = FeedForwardKind::Plain;
  return {};
}

Result<void> read_jina_bert_v2(const Keys& keys, ModelConfig* config) {
  TRY(read_encoder(keys, config));
  without_rope(config);
  const double alibi = TRY(keys.number_or("attention.max_alibi_bias", 8));
  if (alibi < 0) {
    return fail("{}: expected 0 or more, found {}", keys.full("attention.max_alibi_bias"), alibi);
  }
  for (LayerConfig& layer : config->layers) layer.alibi = alibi;
  return {};
}

Result<void> read_nomic_bert(const Keys& keys, ModelConfig* config) {
  TRY(read_encoder(keys, config));
  config->ropes[0].pairing = RopePairing::Halves;
  for (LayerConfig& layer : config->layers) layer.activation = Activation::Silu;
  return {};
}

// Dense layers and layers of experts take turns, the dense first; neither has gates, and the shares
// of the chosen experts stay as the softmax of all gave them.
Result<void> read_nomic_bert_moe(const Keys& keys, ModelConfig* config) {
  TRY(read_encoder(keys, config));
  config->ropes[0].pairing = RopePairing::Halves;
  MixtureConfig mixture;
  mixture.gated = mixture.renormalise = false;
  TRY(read_mixture(keys, mixture, config));
  const int period = TRY(keys.count("moe_every_n_layers", 2, kMaxLayers));
  for (size_t l = 0; l < config->layers.size(); ++l) {
    LayerConfig& layer = config->layers[l];
    if (l % static_cast<size_t>(period) != 1) layer.feed_forward = FeedForwardKind::Plain;
  }
  return {};
}

}  // namespace issun::model::arch
