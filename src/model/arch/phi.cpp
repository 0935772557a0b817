// Phi 2, Phi 3 to 4 and Phi 3.5 with experts.
#include "model/arch/arch.h"

namespace issun::model::arch {

// Both halves of a layer read the same normed rows.
Result<void> read_phi2(const Keys& keys, ModelConfig* config) {
  TRY(read_decoder(keys, NormKind::Layer, RopePairing::Halves, config));
  for (LayerConfig& layer : config->layers) {
    layer.parallel = true;
    layer.feed_forward = FeedForwardKind::Plain;
    layer.activation = Activation::Gelu;
  }
  return {};
}

// The window that the files state is not used: the engine that made them never did, and short
// windows were found to spoil the answers.
Result<void> read_phi3(const Keys& keys, ModelConfig* config) {
  return read_decoder(keys, NormKind::Rms, RopePairing::Halves, config);
}

Result<void> read_phimoe(const Keys& keys, ModelConfig* config) {
  TRY(read_phi3(keys, config));
  return read_mixture(keys, {}, config);
}

}  // namespace issun::model::arch
