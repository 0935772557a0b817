// OLMo 2 and 3: norms after the halves of a layer instead of before them, and of queries and keys
// as whole rows. OLMo 3 sees a window in three of four layers.
#include "model/arch/arch.h"

namespace issun::model::arch {

Result<void> read_olmo2(const Keys& keys, ModelConfig* config) {
  TRY(read_decoder(keys, NormKind::Rms, RopePairing::Halves, config));
  for (LayerConfig& layer : config->layers) {
    layer.norms_before = false;
    layer.norms_after = true;
    layer.qk_norm = QkNorm::Whole;
  }
  // Local layers are not stretched.
  RopeConfig local = config->ropes[0];
  local.base = TRY(keys.number_or("rope.freq_base_swa", local.base));
  local.scaling = RopeScaling::None;
  local.factor = local.attention_factor = 1;
  const Windows windows = TRY(read_windows(keys, {.window = 0, .period = 4}));
  if (windows.window != 0) apply_windows(windows, add_rope(local, config), config);
  return {};
}

}  // namespace issun::model::arch
