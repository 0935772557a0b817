// EXAONE 4: norms after the halves of a layer, and of each head. The large model, which only its
// number of layers tells, sees a window in three layers of four and does not rotate in the fourth.
#include "model/arch/arch.h"

namespace issun::model::arch {

Result<void> read_exaone4(const Keys& keys, ModelConfig* config) {
  TRY(read_decoder(keys, NormKind::Rms, RopePairing::Halves, config));
  for (LayerConfig& layer : config->layers) {
    layer.norms_before = false;
    layer.norms_after = true;
    layer.qk_norm = QkNorm::Head;
  }
  constexpr size_t kLayersOfLarge = 64;
  if (config->layers.size() != kLayersOfLarge) return {};
  for (LayerConfig& layer : config->layers) layer.rope = kNoRope;
  RopeConfig local = config->ropes[0];
  local.base = TRY(keys.number_or("rope.freq_base_swa", local.base));
  apply_windows(TRY(read_windows(keys, {.window = 4096, .period = 4})), add_rope(local, config),
                config);
  return {};
}

}  // namespace issun::model::arch
