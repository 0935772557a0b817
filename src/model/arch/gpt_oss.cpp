// gpt-oss: every second layer sees a window, each head may attend to nothing (a sink), and the
// experts have biases and a clamped activation.
#include "model/arch/arch.h"

namespace issun::model::arch {

Result<void> read_gpt_oss(const Keys& keys, ModelConfig* config) {
  TRY(read_decoder(keys, NormKind::Rms, RopePairing::Halves, config));
  config->names.norm_before_feed_forward = "post_attention_norm";
  for (LayerConfig& layer : config->layers) {
    layer.sinks = true;
    layer.activation = Activation::ClampedSilu;
  }
  const Windows windows = TRY(read_windows(keys, {.window = 0, .period = 2}));
  apply_windows(windows, 0, config);
  return read_mixture(keys, {.router = Router::SoftmaxOfChosen, .renormalise = false}, config);
}

}  // namespace issun::model::arch
