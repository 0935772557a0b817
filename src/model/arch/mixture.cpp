#include <algorithm>

#include "model/arch/arch.h"

namespace issun::model::arch {

namespace {

// Of experts. Files of models that have none may say 0 or 1.
Result<void> read_groups(const Keys& keys, MixtureConfig* mixture) {
  mixture->groups = std::max(1, TRY(keys.count_or("expert_group_count", 0, kMostExpertGroups, 1)));
  if (mixture->groups == 1) return {};
  mixture->groups_used = TRY(keys.count("expert_group_used_count", 1, mixture->groups));
  const int size = mixture->experts / mixture->groups;
  if (mixture->experts % mixture->groups != 0 || size < 2) {
    return fail("{}: expected groups of two or more of {} experts, found {}",
                keys.full("expert_group_count"), mixture->experts, mixture->groups);
  }
  if (mixture->used > mixture->groups_used * size) {
    return fail("{}: expected groups with at least {} experts, found {} groups of {}",
                keys.full("expert_group_used_count"), mixture->used, mixture->groups_used, size);
  }
  return {};
}

}  // namespace

Result<void> read_mixture(const Keys& keys, const MixtureConfig& otherwise, ModelConfig* config) {
  constexpr int64_t kMostExperts = 1 << 12;
  MixtureConfig mixture = otherwise;
  mixture.experts = TRY(keys.count_or("expert_count", 0, kMostExperts, 0));
  if (mixture.experts == 0) return {};
  mixture.used = TRY(keys.count("expert_used_count", 1, mixture.experts));
  mixture.length = TRY(keys.count_or("expert_feed_forward_length", 1, kMaxWidth, 0));
  mixture.shared_length = TRY(
      keys.count_or("expert_shared_feed_forward_length", 0, kMaxWidth, otherwise.shared_length));
  mixture.scale = TRY(keys.number_or("expert_weights_scale", 1));
  mixture.renormalise = TRY(keys.flag_or("expert_weights_norm", otherwise.renormalise));
  TRY(read_groups(keys, &mixture));
  const int layers = static_cast<int>(config->layers.size());
  const int dense = TRY(keys.count_or("leading_dense_block_count", 0, layers, 0));
  for (int l = dense; l < layers; ++l) {
    LayerConfig& layer = config->layers[static_cast<size_t>(l)];
    layer.feed_forward = FeedForwardKind::Mixture;
    layer.mixture = mixture;
    // Without a key of their own the experts are as wide as a dense layer would be.
    if (mixture.length == 0) layer.mixture.length = layer.feed_forward_length;
  }
  return {};
}

Result<Router> read_router(const Keys& keys) {
  const int kind = TRY(keys.count_or("expert_gating_func", 1, 2, 1));
  return kind == 2 ? Router::Sigmoid : Router::Softmax;
}

}  // namespace issun::model::arch
