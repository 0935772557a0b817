// Gemma 1 to 3 (text), and the encoder made of the last. The gains of the norms are stored with the
// 1 that the papers add.
#include <cmath>

#include "model/arch/arch.h"

namespace issun::model::arch {

namespace {

// Gemma 2 and 3 norm what each half of a layer gives as well, and scale the scores of their
// largest model, which only its number of layers tells, by the width of the embedding.
void use_norms_after(int layers_of_largest, ModelConfig* config) {
  const bool largest = static_cast<int>(config->layers.size()) == layers_of_largest;
  for (LayerConfig& layer : config->layers) {
    layer.norms_after = true;
    if (largest) layer.attention_scale = 1 / std::sqrt(config->embedding_length / layer.heads);
  }
}

Result<double> read_softcap(const Keys& keys, std::string_view key, double otherwise) {
  const double softcap = TRY(keys.number_or(key, otherwise));
  if (softcap < 0) return fail("{}: expected 0 or more, found {}", keys.full(key), softcap);
  return softcap;
}

}  // namespace

Result<void> read_gemma(const Keys& keys, ModelConfig* config) {
  TRY(read_decoder(keys, NormKind::Rms, RopePairing::Halves, config));
  config->embedding_scale = std::sqrt(static_cast<float>(config->embedding_length));
  for (LayerConfig& layer : config->layers) layer.activation = Activation::Gelu;
  return {};
}

Result<void> read_gemma2(const Keys& keys, ModelConfig* config) {
  TRY(read_gemma(keys, config));
  use_norms_after(46, config);
  apply_windows(TRY(read_windows(keys, {.window = 4096, .period = 2})), 0, config);
  const double softcap = TRY(read_softcap(keys, "attn_logit_softcapping", 50));
  for (LayerConfig& layer : config->layers) layer.attention_softcap = softcap;
  config->logit_softcap = TRY(read_softcap(keys, "final_logit_softcapping", 30));
  return {};
}

Result<void> read_gemma3(const Keys& keys, ModelConfig* config) {
  TRY(read_gemma(keys, config));
  use_norms_after(62, config);
  for (LayerConfig& layer : config->layers) layer.qk_norm = QkNorm::Head;
  // Local layers turn faster, and are never stretched.
  RopeConfig local = config->ropes[0];
  local.base = TRY(keys.number_or("rope.freq_base_swa", 10000));
  local.scaling = RopeScaling::None;
  local.factor = 1;
  const Windows windows = TRY(read_windows(keys, {.window = 0, .period = 6}));
  if (windows.window != 0) apply_windows(windows, add_rope(local, config), config);
  config->logit_softcap = TRY(read_softcap(keys, "final_logit_softcapping", 0));
  return {};
}

Result<void> read_gemma_embedding(const Keys& keys, ModelConfig* config) {
  config->causal = false;
  return read_gemma3(keys, config);
}

}  // namespace issun::model::arch
