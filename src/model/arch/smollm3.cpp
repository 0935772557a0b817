// SmolLM 3: Llama, but every fourth layer does not rotate.
#include "model/arch/arch.h"

namespace issun::model::arch {

Result<void> read_smollm3(const Keys& keys, ModelConfig* config) {
  TRY(read_decoder(keys, NormKind::Rms, RopePairing::Adjacent, config));
  for (size_t l = 3; l < config->layers.size(); l += 4) config->layers[l].rope = kNoRope;
  return {};
}

}  // namespace issun::model::arch
