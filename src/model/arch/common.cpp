#include <algorithm>
#include <cmath>

#include "model/arch/arch.h"

namespace issun::model::arch {

namespace {

Result<RopeConfig> read_rope(const Keys& keys, int key_width, int64_t context_length) {
  RopeConfig rope;
  rope.dimensions = TRY(keys.count_or("rope.dimension_count", 2, key_width, key_width));
  if (rope.dimensions % 2 != 0) {
    return fail("{}: expected an even number, found {}", keys.full("rope.dimension_count"),
                rope.dimensions);
  }
  rope.base = TRY(keys.number_or("rope.freq_base", 10000.0));
  if (rope.base <= 1)
    return fail("{}: expected a number above 1, found {}", keys.full("rope.freq_base"), rope.base);
  // A factor of 0 means that nothing is scaled; `rope.scale_linear` is the key of older files.
  const double factor =
      TRY(keys.number_or("rope.scaling.factor", TRY(keys.number_or("rope.scale_linear", 0))));
  if (factor < 0)
    return fail("{}: expected a positive number, found {}", keys.full("rope.scaling.factor"),
                factor);
  const std::string kind = TRY(keys.text_or("rope.scaling.type", "linear"));
  if (kind == "yarn") {
    rope.scaling = RopeScaling::Yarn;
  } else if (kind == "linear") {
    rope.scaling = RopeScaling::Linear;
  } else if (kind == "longrope") {
    rope.scaling = RopeScaling::Long;
    if (factor > 1) {
      return fail("{}: expected none beside longrope, found {}", keys.full("rope.scaling.factor"),
                  factor);
    }
  } else if (kind != "none") {
    return fail("{}: expected none, linear, yarn or longrope, found {}",
                keys.full("rope.scaling.type"), kind);
  }
  rope.factor = factor == 0 ? 1.0 : factor;
  if (rope.factor == 1 && rope.scaling == RopeScaling::Linear) rope.scaling = RopeScaling::None;
  rope.original_context = TRY(
      keys.number_or("rope.scaling.original_context_length", static_cast<double>(context_length)));
  if (rope.original_context < 1) {
    return fail("{}: expected a length, found {}",
                keys.full("rope.scaling.original_context_length"), rope.original_context);
  }
  rope.beta_fast = TRY(keys.number_or("rope.scaling.yarn_beta_fast", rope.beta_fast));
  rope.beta_slow = TRY(keys.number_or("rope.scaling.yarn_beta_slow", rope.beta_slow));
  if (rope.beta_fast <= 0 || rope.beta_slow <= 0) {
    return fail("{}: expected positive numbers, found {} and {}",
                keys.full("rope.scaling.yarn_beta_fast and _slow"), rope.beta_fast, rope.beta_slow);
  }
  if (const double mix = TRY(keys.number_or("rope.scaling.yarn_ext_factor", 1)); mix != 1) {
    return fail("{}: expected 1, found {}, which this version cannot do",
                keys.full("rope.scaling.yarn_ext_factor"), mix);
  }
  rope.log_multiplier = TRY(keys.number_or("rope.scaling.yarn_log_multiplier", 0));
  rope.attention_factor = TRY(keys.number_or(
      "rope.scaling.attn_factor", TRY(keys.number_or("rope.scaling.yarn_attn_factor", 1))));
  return rope;
}

// What a text becomes, in files that say it.
Result<void> read_reading(const Keys& keys, bool causal, ReadingConfig* reading) {
  constexpr int kMostLabels = 1 << 16;
  const Pooling otherwise = causal ? Pooling::Last : Pooling::Mean;  // all that these can say
  reading->pooling = static_cast<Pooling>(TRY(keys.count_or(
      "pooling_type", 0, static_cast<int>(Pooling::Rank), static_cast<int>(otherwise))));
  const int64_t labels = TRY(keys.texts("classifier.output_labels"));
  if (labels > kMostLabels) {
    return fail("{}: expected at most {} labels, found {}", keys.full("classifier.output_labels"),
                kMostLabels, labels);
  }
  if (labels > 0) reading->labels = static_cast<int>(labels);
  return {};
}

}  // namespace

Result<void> read_common(const Keys& keys, ModelConfig* config, LayersWithoutHeads without_heads) {
  config->context_length = TRY(keys.count("context_length", 1, int64_t{1} << 30));
  config->embedding_length = TRY(keys.count("embedding_length", 1, kMaxWidth));
  config->causal = TRY(keys.flag_or("attention.causal", config->causal));
  TRY(read_reading(keys, config->causal, &config->reading));
  const int blocks = TRY(keys.count("block_count", 1, kMaxLayers));
  config->unused_layers = TRY(keys.count_or("nextn_predict_layers", 0, blocks - 1, 0));
  const int layers = blocks - config->unused_layers;
  const auto heads = TRY(keys.per_layer("attention.head_count", layers, 1, kMaxWidth, 0));
  if (heads[0] == 0)
    return fail("{}: expected this key, found none", keys.full("attention.head_count"));
  const auto feed_forward = TRY(keys.per_layer("feed_forward_length", layers, 1, kMaxWidth, 0));
  if (feed_forward[0] == 0 && !keys.has("expert_feed_forward_length"))
    return fail("{}: expected this key, found none", keys.full("feed_forward_length"));
  const int fewest = without_heads == LayersWithoutHeads::Allowed ? 0 : 1;
  const auto kv_heads =
      keys.has("attention.head_count_kv")
          ? TRY(keys.per_layer("attention.head_count_kv", layers, fewest, kMaxWidth, 0))
          : heads;
  const bool widths_given = keys.has("attention.key_length") && keys.has("attention.value_length");
  if (!widths_given && config->embedding_length % heads[0] != 0) {
    return fail("{}: expected a multiple of {} heads, found {}", keys.full("embedding_length"),
                heads[0], config->embedding_length);
  }
  const int width = config->embedding_length / heads[0];
  const int key_width = TRY(keys.count_or("attention.key_length", 1, kMaxWidth, width));
  const int value_width = TRY(keys.count_or("attention.value_length", 1, kMaxWidth, width));
  const double scale =
      TRY(keys.number_or("attention.scale", 1.0 / std::sqrt(static_cast<double>(key_width))));
  if (scale <= 0) {
    return fail("{}: expected a positive number, found {}", keys.full("attention.scale"), scale);
  }
  for (int l = 0; l < layers; ++l) {
    const size_t i = static_cast<size_t>(l);
    if (kv_heads[i] != 0 && heads[i] % kv_heads[i] != 0) {
      return fail("layer {}: expected a head count that is a multiple of {} kv heads, found {}", l,
                  kv_heads[i], heads[i]);
    }
    if (int64_t{heads[i]} * std::max(key_width, value_width) > kMaxWidth) {
      return fail("layer {}: expected heads x width up to {}, found {} x {}", l, kMaxWidth,
                  heads[i], std::max(key_width, value_width));
    }
    LayerConfig layer;
    layer.heads = heads[i];
    layer.kv_heads = kv_heads[i];
    layer.key_width = key_width;
    layer.value_width = value_width;
    layer.attention_scale = scale;
    layer.feed_forward_length = feed_forward[i];
    config->layers.push_back(layer);
  }
  config->ropes = {TRY(read_rope(keys, key_width, config->context_length))};
  return {};
}

Result<void> read_decoder(const Keys& keys, NormKind norm, RopePairing pairing, ModelConfig* config,
                          LayersWithoutHeads without_heads) {
  TRY(read_common(keys, config, without_heads));
  config->norm = norm;
  config->norm_epsilon = TRY(keys.number(norm == NormKind::Rms ? "attention.layer_norm_rms_epsilon"
                                                               : "attention.layer_norm_epsilon"));
  config->ropes[0].pairing = pairing;
  if (pairing == RopePairing::None) {
    config->ropes.clear();
    for (LayerConfig& layer : config->layers) layer.rope = kNoRope;
  }
  return {};
}

Result<Windows> read_windows(const Keys& keys, Windows otherwise) {
  Windows windows;
  windows.window =
      TRY(keys.count_or("attention.sliding_window", 0, int64_t{1} << 30, otherwise.window));
  // Some files have one flag a layer here, which says the same as the default.
  windows.period =
      keys.is_array("attention.sliding_window_pattern")
          ? otherwise.period
          : TRY(keys.count_or("attention.sliding_window_pattern", 0, kMaxLayers, otherwise.period));
  return windows;
}

bool is_local(const Windows& windows, int l) {
  if (windows.window == 0) return false;
  return windows.period == 0 || l % windows.period < windows.period - 1;
}

void apply_windows(const Windows& windows, int local_rope, ModelConfig* config) {
  for (int l = 0; l < static_cast<int>(config->layers.size()); ++l) {
    if (!is_local(windows, l)) continue;
    config->layers[static_cast<size_t>(l)].window = windows.window;
    config->layers[static_cast<size_t>(l)].rope = local_rope;
  }
}

int add_rope(const RopeConfig& rope, ModelConfig* config) {
  const auto found = std::find(config->ropes.begin(), config->ropes.end(), rope);
  const int index = static_cast<int>(found - config->ropes.begin());
  if (found == config->ropes.end()) config->ropes.push_back(rope);
  return index;
}

}  // namespace issun::model::arch
