#include "model/bind_parts.h"

namespace issun::model {

Result<LatentWeights> bind_latent(const Binder& bind, const ModelConfig& config,
                                  const LayerConfig& layer, const std::string& block) {
  const LatentConfig& facts = layer.latent;
  const int64_t embedding = config.embedding_length, heads = layer.heads;
  const int64_t query = heads * (facts.plain_width + facts.rotated_width);
  LatentWeights weights;
  if (facts.query_rank == 0) {
    weights.query = TRY(bind.linear(block + "attn_q", query, embedding));
  } else {
    weights.query_low = TRY(bind.linear(block + "attn_q_a", facts.query_rank, embedding));
    weights.query_norm = TRY(bind.norm(block + "attn_q_a_norm", facts.query_rank));
    weights.query = TRY(bind.linear(block + "attn_q_b", query, facts.query_rank));
  }
  weights.key =
      TRY(bind.linear(block + "attn_kv_a_mqa", facts.rank + facts.rotated_width, embedding));
  weights.key_norm = TRY(bind.norm(block + "attn_kv_a_norm", facts.rank));
  weights.key_up = TRY(bind.linear(block + "attn_k_b", heads * facts.rank, facts.plain_width));
  weights.value_up = TRY(bind.linear(block + "attn_v_b", heads * facts.value_width, facts.rank));
  weights.output = TRY(bind.linear(block + "attn_output", embedding, heads * facts.value_width));
  return weights;
}

Result<LayerInputWeights> bind_layer_inputs(const Binder& bind, const ModelConfig& config) {
  const int64_t width = config.layer_input_width;
  const int64_t all = width * static_cast<int64_t>(config.layers.size());
  LayerInputWeights weights;
  weights.embedding = TRY(bind.matrix("per_layer_token_embd.weight", config.vocabulary_size, all));
  weights.projection = TRY(bind.linear("per_layer_model_proj", all, config.embedding_length));
  weights.norm = TRY(bind.norm("per_layer_proj_norm", width));
  return weights;
}

Result<LayerInputPart> bind_layer_input(const Binder& bind, const ModelConfig& config,
                                        const std::string& block) {
  const int64_t width = config.layer_input_width, embedding = config.embedding_length;
  LayerInputPart weights;
  weights.gate = TRY(bind.linear(block + "inp_gate", width, embedding));
  weights.projection = TRY(bind.linear(block + "proj", embedding, width));
  weights.norm = TRY(bind.norm(block + "post_norm", embedding));
  return weights;
}

Result<StreamWeights> bind_streams(const Binder& bind, const ModelConfig& config,
                                   const std::string& block) {
  const int64_t count = config.streams.count, embedding = config.embedding_length;
  StreamWeights weights;
  weights.router_norm = TRY(bind.norm(block + "altup_router_norm", embedding));
  weights.router = TRY(bind.linear(block + "altup_router", count, embedding));
  weights.predict = TRY(bind.linear(block + "altup_predict_coef", count * count, count));
  weights.correct = TRY(bind.linear(block + "altup_correct_coef", count, count));
  weights.correct_gains = TRY(bind.vector(block + "altup_correct_scale.weight", embedding));
  weights.low = TRY(bind.linear(block + "laurel_l", config.streams.low_rank, embedding));
  weights.back = TRY(bind.linear(block + "laurel_r", embedding, config.streams.low_rank));
  weights.low_norm = TRY(bind.norm(block + "laurel_post_norm", embedding));
  return weights;
}

}  // namespace issun::model
