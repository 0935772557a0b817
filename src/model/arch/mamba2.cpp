// Mamba-2: state spaces and nothing else; and the two families that put attention beside them or
// between them.
#include "model/arch/arch.h"

namespace issun::model::arch {

Result<void> read_mamba2(const Keys& keys, ModelConfig* config) {
  config->context_length = TRY(keys.count("context_length", 1, int64_t{1} << 30));
  config->embedding_length = TRY(keys.count("embedding_length", 1, kMaxWidth));
  config->norm_epsilon = TRY(keys.number("attention.layer_norm_rms_epsilon"));
  LayerConfig layer;
  layer.mixer = MixerKind::StateSpace;
  layer.recurrent = TRY(read_state_space(keys));
  layer.feed_forward = FeedForwardKind::None;
  config->layers.assign(static_cast<size_t>(TRY(keys.count("block_count", 1, kMaxLayers))), layer);
  return {};
}

Result<void> read_falcon_h1(const Keys& keys, ModelConfig* config) {
  TRY(read_decoder(keys, NormKind::Rms, RopePairing::Halves, config));
  const RecurrentConfig facts = TRY(read_state_space(keys));
  for (LayerConfig& layer : config->layers) {
    layer.mixer = MixerKind::AttentionAndStateSpace;
    layer.recurrent = facts;
  }
  return {};
}

}  // namespace issun::model::arch
