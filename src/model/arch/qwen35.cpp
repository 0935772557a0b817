// Qwen 3.5, dense and with experts: the gated delta rule in most layers, attention with an output
// gate in the others.
#include "model/arch/arch.h"

namespace issun::model::arch {

namespace {

// Pairs of a head are turned by the place in time, height or width in turn, as far as each section
// reaches. In a text all three are the position; a pair that no section covers would not be turned.
Result<void> check_sections(const Keys& keys, int dimensions) {
  const auto sections = TRY(keys.per_layer("rope.dimension_sections", 4, 0, kMaxWidth, 0));
  const int64_t all = int64_t{sections[0]} + sections[1] + sections[2] + sections[3];
  for (int64_t pair = 0; pair < dimensions / 2; ++pair) {
    const int64_t place = all == 0 ? 0 : pair % all;
    if (place >= int64_t{3} * sections[static_cast<size_t>(place % 3)]) {
      return fail("{}: expected sections that cover {} pairs, found none for pair {}",
                  keys.full("rope.dimension_sections"), dimensions / 2, pair);
    }
  }
  return {};
}

// Which layers carry a state instead of looking back.
Result<std::vector<bool>> recurrent_layers(const Keys& keys, int layers) {
  if (keys.has("attention.recurrent_layers"))
    return keys.flag_per_layer("attention.recurrent_layers", layers);
  const int interval = TRY(keys.count_or("full_attention_interval", 1, kMaxLayers, 4));
  std::vector<bool> recurrent;
  for (int l = 0; l < layers; ++l) recurrent.push_back((l + 1) % interval != 0);
  return recurrent;
}

}  // namespace

Result<void> read_qwen35(const Keys& keys, ModelConfig* config) {
  TRY(read_decoder(keys, NormKind::Rms, RopePairing::Halves, config, LayersWithoutHeads::Allowed));
  config->names.norm_before_feed_forward = "post_attention_norm";
  TRY(check_sections(keys, config->ropes[0].dimensions));
  RecurrentConfig facts = TRY(read_state_space(keys));
  if (facts.value_width != facts.key_width) {
    return fail("{}: expected {} heads of {}, found {} of {}", keys.full("ssm.inner_size"),
                facts.heads, facts.key_width, facts.heads, facts.value_width);
  }
  const auto recurrent = TRY(recurrent_layers(keys, static_cast<int>(config->layers.size())));
  for (size_t l = 0; l < config->layers.size(); ++l) {
    LayerConfig& layer = config->layers[l];
    if (recurrent[l]) {
      layer.mixer = MixerKind::DeltaRule;
      layer.recurrent = facts;
      continue;
    }
    if (layer.kv_heads == 0 || layer.key_width != layer.value_width) {
      return fail("layer {}: expected heads of keys and values of one width, found {} of {} and {}",
                  l, layer.kv_heads, layer.key_width, layer.value_width);
    }
    layer.qk_norm = QkNorm::Head;
    layer.gated_output = true;
  }
  return {};
}

Result<void> read_qwen35moe(const Keys& keys, ModelConfig* config) {
  TRY(read_qwen35(keys, config));
  MixtureConfig mixture;
  mixture.shared_length = config->layers[0].feed_forward_length;
  mixture.shared_gate = true;
  return read_mixture(keys, mixture, config);
}

}  // namespace issun::model::arch
