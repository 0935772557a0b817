// OLMoE: experts whose shares stay as the softmax of all gave them.
#include "model/arch/arch.h"

namespace issun::model::arch {

Result<void> read_olmoe(const Keys& keys, ModelConfig* config) {
  TRY(read_decoder(keys, NormKind::Rms, RopePairing::Halves, config));
  for (LayerConfig& layer : config->layers) layer.qk_norm = QkNorm::Whole;
  return read_mixture(keys, {.renormalise = false}, config);
}

}  // namespace issun::model::arch
