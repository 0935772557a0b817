// Qwen 2, 2.5 and 3, dense and with experts. The biases of Qwen 2 are in the file or not; Qwen 3
// has norms of the queries and keys of each head instead.
#include "model/arch/arch.h"

namespace issun::model::arch {

Result<void> read_qwen2(const Keys& keys, ModelConfig* config) {
  return read_decoder(keys, NormKind::Rms, RopePairing::Halves, config);
}

// The shares of the chosen experts stay as they are, and one more expert is always used.
Result<void> read_qwen2moe(const Keys& keys, ModelConfig* config) {
  TRY(read_decoder(keys, NormKind::Rms, RopePairing::Halves, config));
  MixtureConfig mixture;
  mixture.renormalise = false;
  mixture.shared_length = config->layers[0].feed_forward_length;
  mixture.shared_gate = true;
  return read_mixture(keys, mixture, config);
}

Result<void> read_qwen3(const Keys& keys, ModelConfig* config) {
  TRY(read_decoder(keys, NormKind::Rms, RopePairing::Halves, config));
  // Rerankers compare the logits of "yes" and "no" after the last token.
  config->reading.ranked = Pooling::Last;
  config->reading.shares = true;
  for (LayerConfig& layer : config->layers) layer.qk_norm = QkNorm::Head;
  return read_mixture(keys, {}, config);
}

}  // namespace issun::model::arch
