#include "model/weights.h"

#include <fmt/format.h>

#include "model/binder.h"

namespace issun::model {

namespace {

Result<AttentionWeights> bind_attention(const Binder& bind, const ModelConfig& config,
                                        const LayerConfig& layer, const std::string& block) {
  const int64_t embedding = config.embedding_length;
  const int64_t query = int64_t{layer.heads} * layer.key_width;
  const int64_t key = int64_t{layer.kv_heads} * layer.key_width;
  const int64_t value = int64_t{layer.kv_heads} * layer.value_width;
  AttentionWeights weights;
  if (bind.has(block + "attn_qkv.weight")) {
    const Linear fused = TRY(bind.linear(block + "attn_qkv", query + key + value, embedding));
    weights.query = rows_of(fused, 0, query);
    weights.key = rows_of(fused, query, key);
    weights.value = rows_of(fused, query + key, value);
  } else {
    weights.query = TRY(bind.linear(block + "attn_q", query, embedding));
    weights.key = TRY(bind.linear(block + "attn_k", key, embedding));
    weights.value = TRY(bind.linear(block + "attn_v", value, embedding));
  }
  weights.output =
      TRY(bind.linear(block + "attn_output", embedding, int64_t{layer.heads} * layer.value_width));
  if (layer.qk_norm != QkNorm::None) {
    const bool whole = layer.qk_norm == QkNorm::Whole;
    weights.query_norm = TRY(bind.norm(block + "attn_q_norm", whole ? query : layer.key_width));
    weights.key_norm = TRY(bind.norm(block + "attn_k_norm", whole ? key : layer.key_width));
  }
  if (layer.sinks) weights.sinks = TRY(bind.vector(block + "attn_sinks.weight", layer.heads));
  return weights;
}

Result<FeedForwardWeights> bind_feed_forward(const Binder& bind, const ModelConfig& config,
                                             const LayerConfig& layer, const std::string& block) {
  const int64_t embedding = config.embedding_length, hidden = layer.feed_forward_length;
  const bool gated = layer.feed_forward == FeedForwardKind::Gated;
  FeedForwardWeights weights;
  if (gated && !bind.has(block + "ffn_gate.weight")) {  // the gate above the rest in one matrix
    const Linear fused = TRY(bind.linear(block + "ffn_up", 2 * hidden, embedding));
    weights.gate = rows_of(fused, 0, hidden);
    weights.up = rows_of(fused, hidden, hidden);
  } else {
    if (gated) weights.gate = TRY(bind.linear(block + "ffn_gate", hidden, embedding));
    weights.up = TRY(bind.linear(block + "ffn_up", hidden, embedding));
  }
  weights.down = TRY(bind.linear(block + "ffn_down", embedding, hidden));
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
    if (!layer.parallel) {
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
  switch (layer.mixer) {
    case MixerKind::Attention:
      weights.attention = TRY(bind_attention(bind, config, layer, block));
      break;
  }
  switch (layer.feed_forward) {
    case FeedForwardKind::Gated:
    case FeedForwardKind::Plain:
      weights.feed_forward = TRY(bind_feed_forward(bind, config, layer, block));
      break;
  }
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
  weights.tied_output = !bind.has("output.weight");
  weights.output =
      weights.tied_output
          ? Linear{weights.token_embedding,
                   TRY(bind.optional_vector("output.bias", config.vocabulary_size))}
          : TRY(bind.linear("output", config.vocabulary_size, config.embedding_length));
  for (const RopeConfig& rope : config.ropes) {
    if (!rope.file_factors) continue;
    weights.rope_factors = TRY(bind.optional_vector("rope_freqs.weight", rope.dimensions / 2));
  }
  for (int l = 0; l < static_cast<int>(config.layers.size()); ++l) {
    weights.layers.push_back(TRY(bind_layer(bind, config, l)));
  }
  TRY(bind.all_used());
  return weights;
}

int64_t Weights::bytes_per_token() const {
  int64_t bytes = output.weight.bytes() + token_embedding.row_bytes();
  each_layer_matrix([&](const Tensor& matrix) { bytes += matrix.bytes(); });
  return bytes;
}

int64_t Weights::products_per_token(bool with_output) const {
  int64_t products = with_output ? output.weight.rows() * output.weight.columns() : 0;
  each_layer_matrix([&](const Tensor& matrix) { products += matrix.rows() * matrix.columns(); });
  return products;
}

DType Weights::main_type() const {
  Tensor largest = output.weight;
  if (!layers.empty()) largest.data = nullptr;
  each_layer_matrix([&](const Tensor& matrix) {
    if (!largest || matrix.bytes() > largest.bytes()) largest = matrix;
  });
  return largest.type;
}

}  // namespace issun::model
