// Ministral 3 and Mistral Small 3.x: Llama with YaRN, and queries that grow with the position.
#include "model/arch/arch.h"

namespace issun::model::arch {

Result<void> read_mistral3(const Keys& keys, ModelConfig* config) {
  TRY(read_llama(keys, config));
  config->query_growth = TRY(keys.number_or("attention.temperature_scale", 0));
  config->query_growth_length = config->ropes[0].original_context;
  return {};
}

}  // namespace issun::model::arch
