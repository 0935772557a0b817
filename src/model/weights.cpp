#include "model/weights.h"

#include <fmt/format.h>

#include <cmath>

#include "model/bind_parts.h"
#include "model/binder.h"

namespace issun::model {

namespace {

Result<AttentionWeights> bind_attention(const Binder& bind, const ModelConfig& config,
                                        const LayerConfig& layer, const std::string& block) {
  const int64_t embedding = config.embedding_length;
  const int64_t query = int64_t{layer.heads} * layer.key_width * (layer.gated_output ? 2 : 1);
  const int64_t key = int64_t{layer.kv_heads} * layer.key_width;
  const int64_t value = int64_t{layer.kv_heads} * layer.value_width;
  AttentionWeights weights;
  if (layer.kv_from != kOwnKeys) {
    weights.query = TRY(bind.linear(block + "attn_q", query, embedding));
    for (const char* name : {"attn_k.weight", "attn_v.weight", "attn_k_norm.weight"})
      bind.pass_over(block + name);
  } else if (bind.has(block + "attn_qkv.weight")) {
    const Linear fused = TRY(bind.linear(block + "attn_qkv", query + key + value, embedding));
    weights.query = rows_of(fused, 0, query);
    weights.key = rows_of(fused, query, key);
    weights.value = rows_of(fused, query + key, value);
  } else {
    weights.query = TRY(bind.linear(block + "attn_q", query, embedding));
    weights.key = TRY(bind.linear(block + "attn_k", key, embedding));
    // Some layers with normed values have the keys' matrix for them too.
    const bool own = !layer.value_norm || bind.has(block + "attn_v.weight");
    weights.value = own ? TRY(bind.linear(block + "attn_v", value, embedding)) : weights.key;
  }
  weights.output =
      TRY(bind.linear(block + "attn_output", embedding, int64_t{layer.heads} * layer.value_width));
  if (layer.qk_norm != QkNorm::None) {
    const bool whole = layer.qk_norm == QkNorm::Whole;
    weights.query_norm = TRY(bind.norm(
        block + "attn_q_norm", whole ? int64_t{layer.heads} * layer.key_width : layer.key_width));
    if (layer.kv_from == kOwnKeys)
      weights.key_norm = TRY(bind.norm(block + "attn_k_norm", whole ? key : layer.key_width));
  }
  if (layer.sinks) weights.sinks = TRY(bind.vector(block + "attn_sinks.weight", layer.heads));
  return weights;
}

// A dense half, or an expert that is always used: tensors `block` ffn_gate `suffix` and so on.
Result<FeedForwardWeights> bind_feed_forward(const Binder& bind, const std::string& block,
                                             const std::string& suffix, bool gated,
                                             int64_t embedding, int64_t hidden) {
  const std::string gate = block + "ffn_gate" + suffix, up = block + "ffn_up" + suffix;
  FeedForwardWeights weights;
  if (gated && !bind.has(gate + ".weight")) {  // the gate above the rest in one matrix
    const Linear fused = TRY(bind.linear(up, 2 * hidden, embedding));
    weights.gate = rows_of(fused, 0, hidden);
    weights.up = rows_of(fused, hidden, hidden);
  } else {
    if (gated) weights.gate = TRY(bind.linear(gate, hidden, embedding));
    weights.up = TRY(bind.linear(up, hidden, embedding));
  }
  weights.down = TRY(bind.linear(block + "ffn_down" + suffix, embedding, hidden));
  return weights;
}

Result<MixtureWeights> bind_mixture(const Binder& bind, int64_t embedding,
                                    const MixtureConfig& mixture, const std::string& block) {
  MixtureWeights weights;
  weights.router = TRY(bind.linear(block + "ffn_gate_inp", mixture.experts, embedding));
  weights.selection_bias = TRY(bind.optional_vector(block + "exp_probs_b.bias", mixture.experts));
  weights.experts = TRY(bind_experts(bind, block, embedding, mixture));
  weights.used_share = static_cast<double>(mixture.used) / mixture.experts;
  if (mixture.beside_dense) {
    weights.router_norm.gains = TRY(bind.vector(block + "ffn_gate_inp.scale", embedding));
    weights.before_experts = TRY(bind.norm(block + "pre_ffw_norm_2", embedding));
    weights.after_experts = TRY(bind.norm(block + "post_ffw_norm_2", embedding));
    weights.after_shared = TRY(bind.norm(block + "post_ffw_norm_1", embedding));
    weights.scales = TRY(bind.optional_vector(block + "ffn_down_exps.scale", mixture.experts));
  }
  if (mixture.shared_length != 0) {
    weights.shared = TRY(bind_feed_forward(bind, block, mixture.beside_dense ? "" : "_shexp", true,
                                           embedding, mixture.shared_length));
    if (mixture.shared_gate) {
      weights.shared_gate = TRY(bind.linear(block + "ffn_gate_inp_shexp", 1, embedding));
    }
  }
  return weights;
}

Result<HeadWeights> bind_head(const Binder& bind, const ModelConfig& config) {
  const int64_t embedding = config.embedding_length;
  HeadWeights head;
  int64_t width = embedding;
  for (const auto& [name, dense] :
       {std::pair("dense_2", &head.first_dense), std::pair("dense_3", &head.second_dense)}) {
    const Tensor table = TRY(bind.optional_table(std::string(name) + ".weight", width));
    if (!table) continue;
    *dense = TRY(bind.linear(name, table.rows(), width));
    width = table.rows();
  }
  if (config.reading.pooling != Pooling::Rank) return head;
  if (bind.has("cls.weight")) head.classifier = TRY(bind.linear("cls", embedding, embedding));
  if (bind.has("cls.norm.weight")) head.classifier_norm = TRY(bind.norm("cls.norm", embedding));
  if (bind.has("cls.output.weight")) {
    head.scores = TRY(bind.linear("cls.output", config.reading.labels, embedding));
  }
  return head;
}

Result<LayerWeights> bind_layer(const Binder& bind, const ModelConfig& config, int l) {
  const LayerConfig& layer = config.layers[static_cast<size_t>(l)];
  const int64_t embedding = config.embedding_length;
  const std::string block = fmt::format("blk.{}.", l);
  LayerWeights weights;
  if (layer.norms_before) {
    if (layer.norm_mixer) weights.before_mixer = TRY(bind.norm(block + "attn_norm", embedding));
    if (!layer.parallel && layer.feed_forward != FeedForwardKind::None) {
      weights.before_feed_forward =
          TRY(bind.norm(block + std::string(config.names.norm_before_feed_forward), embedding));
    }
  }
  if (layer.norms_after) {
    const bool sum = layer.norms_sum;
    weights.after_mixer =
        TRY(bind.norm(block + (sum ? "attn_output_norm" : "post_attention_norm"), embedding));
    weights.after_feed_forward =
        TRY(bind.norm(block + (sum ? "layer_output_norm" : "post_ffw_norm"), embedding));
  }
  if (layer.mixer == MixerKind::LatentAttention) {
    weights.latent = TRY(bind_latent(bind, config, layer, block));
  } else if (layer.attends()) {
    weights.attention = TRY(bind_attention(bind, config, layer, block));
  }
  if (layer.recurs()) weights.recurrent = TRY(bind_recurrent(bind, config, layer, block));
  switch (layer.feed_forward) {
    case FeedForwardKind::None:
      break;
    case FeedForwardKind::Gated:
    case FeedForwardKind::Plain:
      weights.feed_forward =
          TRY(bind_feed_forward(bind, block, "", layer.feed_forward == FeedForwardKind::Gated,
                                embedding, layer.feed_forward_length));
      break;
    case FeedForwardKind::Mixture:
      weights.mixture = TRY(bind_mixture(bind, embedding, layer.mixture, block));
      break;
  }
  if (config.layer_input_width != 0) weights.input = TRY(bind_layer_input(bind, config, block));
  if (config.streams.count > 1) weights.streams = TRY(bind_streams(bind, config, block));
  if (layer.output_scale)
    weights.output_scale = TRY(bind.optional_vector(block + "layer_output_scale.weight", 1));
  return weights;
}

}  // namespace

Result<Weights> Weights::bind(const gguf::GgufFile& file, const ModelConfig& config) {
  const Binder bind(file);
  Weights weights;
  weights.token_embedding =
      TRY(bind.matrix("token_embd.weight", config.vocabulary_size, config.embedding_length));
  if (config.learned_positions != 0) {
    weights.learned_positions =
        TRY(bind.matrix("position_embd.weight", config.learned_positions, config.embedding_length));
  }
  weights.token_types = TRY(bind.optional_table("token_types.weight", config.embedding_length));
  if (config.embedding_norm) {
    weights.embedding_norm = TRY(bind.norm("token_embd_norm", config.embedding_length));
  }
  if (config.output_norm) {
    weights.output_norm =
        TRY(bind.norm(std::string(config.names.output_norm), config.embedding_length));
  }
  weights.head = TRY(bind_head(bind, config));
  if (config.layer_input_width != 0) weights.layer_inputs = TRY(bind_layer_inputs(bind, config));
  if (const int64_t others = config.streams.count - 1; others > 0) {
    const int64_t width = config.embedding_length;
    weights.open_streams = TRY(bind.linear("altup_proj", others * width, width));
    weights.close_streams = TRY(bind.linear("altup_unembd_proj", others * width, width));
  }
  weights.tied_output = !bind.has("output.weight");
  weights.output =
      weights.tied_output
          ? Linear{weights.token_embedding,
                   TRY(bind.optional_vector("output.bias", config.vocabulary_size))}
          : TRY(bind.linear("output", config.vocabulary_size, config.embedding_length));
  for (const RopeConfig& rope : config.ropes) {
    if (!rope.file_factors) continue;
    const int pairs = rope.dimensions / 2;
    weights.rope_factors = TRY(bind.optional_vector("rope_freqs.weight", pairs));
    weights.long_rope_factors = TRY(bind.optional_vector("rope_factors_long.weight", pairs));
    weights.short_rope_factors = TRY(bind.optional_vector("rope_factors_short.weight", pairs));
    const bool both = weights.long_rope_factors && weights.short_rope_factors;
    const bool any = weights.long_rope_factors || weights.short_rope_factors;
    if (any != both || (rope.scaling == RopeScaling::Long && !both)) {
      return fail("rope_factors_long and _short.weight: expected both, found {}",
                  any ? "one" : "none");
    }
  }
  for (int l = 0; l < static_cast<int>(config.layers.size()); ++l) {
    weights.layers.push_back(TRY(bind_layer(bind, config, l)));
  }
  TRY(bind.all_used(config));
  return weights;
}

int64_t Weights::bytes_per_token() const {
  double bytes = static_cast<double>(output.weight.bytes() + token_embedding.row_bytes());
  if (layer_inputs.embedding) {
    bytes += static_cast<double>(layer_inputs.embedding.row_bytes() +
                                 layer_inputs.projection.weight.bytes());
  }
  each_layer_matrix([&](const Tensor& matrix, double share) {
    bytes += share * static_cast<double>(matrix.bytes());
  });
  return std::llround(bytes);
}

int64_t Weights::products_per_token(bool with_output) const {
  const auto size = [](const Tensor& matrix) {
    return static_cast<double>(matrix.rows() * matrix.columns());
  };
  double products = with_output ? size(output.weight) : 0;
  each_layer_matrix([&](const Tensor& matrix, double share) { products += share * size(matrix); });
  return std::llround(products);
}

DType Weights::main_type() const {
  Tensor largest = output.weight;
  if (!layers.empty()) largest.data = nullptr;
  each_layer_matrix([&](const Tensor& matrix, double) {
    if (!largest || matrix.bytes() > largest.bytes()) largest = matrix;
  });
  return largest.type;
}

}  // namespace issun::model
