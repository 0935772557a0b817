// Granite 3 and 4, dense and with experts: Llama with a scale on everything.
#include "model/arch/arch.h"

namespace issun::model::arch {

namespace {
Result<double> scale(const Keys& keys, std::string_view key) {
  const double number = TRY(keys.number_or(key, 1));
  if (number <= 0) return fail("{}: expected a positive number, found {}", keys.full(key), number);
  return number;
}
}  // namespace

Result<void> read_granite(const Keys& keys, ModelConfig* config) {
  TRY(read_decoder(keys, NormKind::Rms, RopePairing::Adjacent, config));
  config->embedding_scale = TRY(scale(keys, "embedding_scale"));
  config->residual_scale = TRY(scale(keys, "residual_scale"));
  config->logit_scale = 1 / TRY(scale(keys, "logit_scale"));
  if (!TRY(keys.flag_or("rope.scaling.finetuned", true))) {
    for (LayerConfig& layer : config->layers) layer.rope = kNoRope;
  }
  return read_mixture(keys, {}, config);
}

}  // namespace issun::model::arch
