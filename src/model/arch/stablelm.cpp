// StableLM 3B and StableLM 2 1.6B. The 12B model, which norms each head with gains of its own, has
// tensors that are refused.
#include "model/arch/arch.h"

namespace issun::model::arch {

// Files say that the halves of a layer are parallel; those that have a second norm are not.
Result<void> read_stablelm(const Keys& keys, ModelConfig* config) {
  return read_decoder(keys, NormKind::Layer, RopePairing::Halves, config);
}

}  // namespace issun::model::arch
