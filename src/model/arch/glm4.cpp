// GLM-4 of 2025: norms before and after both halves of a layer, part of each head rotated.
#include "model/arch/arch.h"

namespace issun::model::arch {

Result<void> read_glm4(const Keys& keys, ModelConfig* config) {
  TRY(read_decoder(keys, NormKind::Rms, RopePairing::Adjacent, config));
  for (LayerConfig& layer : config->layers) layer.norms_after = true;
  return {};
}

}  // namespace issun::model::arch
