// GPT-2: positions are learned, nothing is rotated, nothing is gated.
#include "model/arch/arch.h"

namespace issun::model::arch {

Result<void> read_gpt2(const Keys& keys, ModelConfig* config) {
  TRY(read_decoder(keys, NormKind::Layer, RopePairing::None, config));
  config->learned_positions = static_cast<int>(config->context_length);
  for (LayerConfig& layer : config->layers) {
    layer.feed_forward = FeedForwardKind::Plain;
    layer.activation = Activation::Gelu;
  }
  return {};
}

}  // namespace issun::model::arch
