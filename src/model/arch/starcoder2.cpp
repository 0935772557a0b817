// StarCoder 2: GPT-2 with rotations for its learned positions.
#include "model/arch/arch.h"

namespace issun::model::arch {

Result<void> read_starcoder2(const Keys& keys, ModelConfig* config) {
  TRY(read_decoder(keys, NormKind::Layer, RopePairing::Halves, config));
  for (LayerConfig& layer : config->layers) {
    layer.feed_forward = FeedForwardKind::Plain;
    layer.activation = Activation::Gelu;
  }
  return {};
}

}  // namespace issun::model::arch
