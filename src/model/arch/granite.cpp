// Granite 3 and 4, dense and with experts: Llama with a scale on everything; in the hybrids most
// layers are state spaces.
#include "model/arch/arch.h"

namespace issun::model::arch {

namespace {
Result<double> scale(const Keys& keys, std::string_view key) {
  const double number = TRY(keys.number_or(key, 1));
  if (number <= 0) return fail("{}: expected a positive number, found {}", keys.full(key), number);
  return number;
}

Result<void> read_either(const Keys& keys, LayersWithoutHeads without_heads, ModelConfig* config) {
  TRY(read_decoder(keys, NormKind::Rms, RopePairing::Adjacent, config, without_heads));
  config->embedding_scale = TRY(scale(keys, "embedding_scale"));
  config->residual_scale = TRY(scale(keys, "residual_scale"));
  config->logit_scale = 1 / TRY(scale(keys, "logit_scale"));
  if (!TRY(keys.flag_or("rope.scaling.finetuned", true))) {
    for (LayerConfig& layer : config->layers) layer.rope = kNoRope;
  }
  return read_mixture(keys, {}, config);
}

}  // namespace

Result<void> read_granite(const Keys& keys, ModelConfig* config) {
  return read_either(keys, LayersWithoutHeads::Refused, config);
}

Result<void> read_granitehybrid(const Keys& keys, ModelConfig* config) {
  TRY(read_either(keys, LayersWithoutHeads::Allowed, config));
  const RecurrentConfig facts = TRY(read_state_space(keys));
  for (LayerConfig& layer : config->layers) {
    if (layer.kv_heads != 0) continue;
    layer.mixer = MixerKind::StateSpace;
    layer.recurrent = facts;
  }
  return {};
}

}  // namespace issun::model::arch
