// Llama 1-3, Mistral 7B, SmolLM, TinyLlama and the many that share their file layout, and Mixtral,
// whose layers have experts.
#include "model/arch/arch.h"

namespace issun::model::arch {

Result<void> read_llama(const Keys& keys, ModelConfig* config) {
  TRY(read_decoder(keys, NormKind::Rms, RopePairing::Adjacent, config));
  const int key_width = config->layers[0].key_width;
  if (config->ropes[0].dimensions != key_width) {
    return fail("{}: expected the head width {}, found {}", keys.full("rope.dimension_count"),
                key_width, config->ropes[0].dimensions);
  }
  return read_mixture(keys, {}, config);
}

}  // namespace issun::model::arch
