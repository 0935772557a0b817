// DeepSeek-V2 and V3 and what shares their layout: latent attention, experts after a few dense
// layers.
#include <algorithm>
#include <cmath>

#include "model/arch/arch.h"

namespace issun::model::arch {

namespace {

Result<LatentConfig> read_latent(const Keys& keys, int rotated_width) {
  LatentConfig facts;
  facts.query_rank = TRY(keys.count_or("attention.q_lora_rank", 0, kMaxWidth, 0));
  facts.rank = TRY(keys.count("attention.kv_lora_rank", 1, kMaxWidth));
  facts.rotated_width = rotated_width;
  // Files without this key have keys and values in one matrix, which cannot be absorbed.
  const int key = TRY(keys.count("attention.key_length_mla", rotated_width + 1, kMaxWidth));
  facts.plain_width = key - rotated_width;
  facts.value_width = TRY(keys.count("attention.value_length_mla", 1, kMaxWidth));
  return facts;
}

// Stretched contexts (YaRN) sharpen the scores by the square of the magnitude, and leave the
// rotations as long as they are. The file has a tenth of the multiplier.
Result<double> read_sharpness(const Keys& keys, RopeConfig* rope) {
  if (rope->scaling != RopeScaling::Yarn || rope->factor <= 1) return 1.0;
  const double multiplier = rope->log_multiplier / 0.1f;
  if (multiplier == 0) {
    return fail("{}: expected this key beside yarn, found none",
                keys.full("rope.scaling.yarn_log_multiplier"));
  }
  rope->log_multiplier = 1;
  const double magnitude = 0.1 * multiplier * std::log(rope->factor) + 1;
  return magnitude * magnitude * rope->attention_factor * rope->attention_factor;
}

// Files of GLM 4.7 Flash do not say that its shares are sigmoids; they are known by their sizes.
Result<Router> read_shares(const Keys& keys, const ModelConfig& config) {
  const size_t layers = config.layers.size();
  const bool glm = (layers == 47 || layers == 48) && config.vocabulary_size == 154880;
  if (glm && !keys.has("expert_gating_func")) return Router::Sigmoid;
  return read_router(keys);
}

}  // namespace

Result<void> read_deepseek2(const Keys& keys, ModelConfig* config) {
  TRY(read_decoder(keys, NormKind::Rms, RopePairing::Adjacent, config));
  if (TRY(keys.number_or("attention.temperature_scale", 0)) != 0) {
    return fail("{}: expected none, found one, which this version cannot apply",
                keys.full("attention.temperature_scale"));
  }
  const LatentConfig facts = TRY(read_latent(keys, config->ropes[0].dimensions));
  const double sharpness = TRY(read_sharpness(keys, &config->ropes[0]));
  for (LayerConfig& layer : config->layers) {
    if (int64_t{layer.heads} * (facts.rank + facts.rotated_width) > 4 * kMaxWidth ||
        int64_t{layer.heads} * std::max(facts.value_width, facts.plain_width) > kMaxWidth) {
      return fail("{}: expected heads x width up to {}, found {} heads",
                  keys.full("attention.head_count"), kMaxWidth, layer.heads);
    }
    layer.mixer = MixerKind::LatentAttention;
    layer.latent = facts;
    layer.kv_heads = 1;
    layer.key_width = facts.rank + facts.rotated_width;
    layer.value_width = facts.rank;
    layer.attention_scale =
        sharpness / std::sqrt(static_cast<double>(facts.plain_width + facts.rotated_width));
  }
  MixtureConfig mixture;
  mixture.router = TRY(read_shares(keys, *config));
  mixture.renormalise = false;
  mixture.shared_length = TRY(keys.count_or("expert_shared_count", 0, 1 << 8, 0)) *
                          TRY(keys.count_or("expert_feed_forward_length", 1, 1 << 16, 1));
  return read_mixture(keys, mixture, config);
}

}  // namespace issun::model::arch
