// Llama 1-3, Mistral 7B, SmolLM, TinyLlama and the many that share their file layout.
#include "model/arch/arch.h"

namespace issun::model::arch {

Result<void> read_llama(const Keys& keys, ModelConfig* config) {
  TRY(read_common(keys, config));
  config->norm_epsilon = TRY(keys.number("attention.layer_norm_rms_epsilon"));
  if (TRY(keys.count_or("expert_count", 0, 1 << 16, 0)) != 0) {
    return fail(
        "{}: expected a dense model, found one with experts, which this version cannot run yet",
        keys.full("expert_count"));
  }
  config->ropes[0].pairing = RopePairing::Adjacent;
  const int key_width = config->layers[0].key_width;
  if (config->ropes[0].dimensions != key_width) {
    return fail("{}: expected the head width {}, found {}", keys.full("rope.dimension_count"),
                key_width, config->ropes[0].dimensions);
  }
  return {};
}

}  // namespace issun::model::arch
