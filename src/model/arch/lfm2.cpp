// LFM2, dense and with experts: short convolutions, and attention in the layers that have heads of
// keys.
#include "model/arch/arch.h"

namespace issun::model::arch {

Result<void> read_lfm2(const Keys& keys, ModelConfig* config) {
  TRY(read_decoder(keys, NormKind::Rms, RopePairing::Halves, config, LayersWithoutHeads::Allowed));
  config->names.output_norm = "token_embd_norm";
  const int window = TRY(keys.count_or("attention.sliding_window", 0, 1 << 30, 0));
  const RecurrentConfig convolution = TRY(read_short_convolution(keys, *config));
  for (LayerConfig& layer : config->layers) {
    if (layer.kv_heads == 0) {
      layer.mixer = MixerKind::ShortConvolution;
      layer.recurrent = convolution;
    } else {
      layer.qk_norm = QkNorm::Head;
      layer.window = window;
    }
  }
  return {};
}

Result<void> read_lfm2moe(const Keys& keys, ModelConfig* config) {
  TRY(read_lfm2(keys, config));
  MixtureConfig mixture;
  mixture.router = TRY(read_router(keys));
  return read_mixture(keys, mixture, config);
}

}  // namespace issun::model::arch
