// Command R7B: parallel halves; three layers of four see a window and rotate, the fourth sees
// everything and does not.
#include "model/arch/arch.h"

namespace issun::model::arch {

Result<void> read_cohere2(const Keys& keys, ModelConfig* config) {
  TRY(read_decoder(keys, NormKind::Layer, RopePairing::Adjacent, config));
  for (LayerConfig& layer : config->layers) {
    layer.parallel = true;
    layer.rope = kNoRope;
  }
  const Windows windows = TRY(read_windows(keys, {.window = 0, .period = 4}));
  if (windows.window == 0) {
    return fail("{}: expected a window, found none", keys.full("attention.sliding_window"));
  }
  apply_windows(windows, 0, config);
  config->logit_scale = TRY(keys.number("logit_scale"));
  return {};
}

}  // namespace issun::model::arch
