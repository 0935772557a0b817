#include "model/bind_parts.h"

namespace issun::model {

namespace {

Result<RecurrentWeights> bind_short_convolution(const Binder& bind, const RecurrentConfig& facts,
                                                int64_t embedding, const std::string& block) {
  RecurrentWeights weights;
  const Linear fused = TRY(bind.linear(block + "shortconv.in_proj", 3 * embedding, embedding));
  weights.before = rows_of(fused, 0, embedding);
  weights.gate = rows_of(fused, embedding, embedding);
  weights.mixed = rows_of(fused, 2 * embedding, embedding);
  weights.taps = TRY(bind.floats(block + "shortconv.conv.weight", embedding, facts.taps));
  weights.output = TRY(bind.linear(block + "shortconv.out_proj", embedding, embedding));
  return weights;
}

// What state spaces and the delta rule have in common.
Result<void> bind_heads(const Binder& bind, const RecurrentConfig& facts, int64_t embedding,
                        const std::string& block, RecurrentWeights* weights) {
  weights->taps = TRY(bind.floats(block + "ssm_conv1d.weight", facts.channels(), facts.taps));
  weights->taps_bias = TRY(bind.optional_vector(block + "ssm_conv1d.bias", facts.channels()));
  weights->step_bias = TRY(bind.vector(block + "ssm_dt.bias", facts.heads));
  weights->output = TRY(bind.linear(block + "ssm_out", embedding, facts.inner()));
  return {};
}

Result<RecurrentWeights> bind_state_space(const Binder& bind, const RecurrentConfig& facts,
                                          int64_t embedding, const std::string& block) {
  RecurrentWeights weights;
  TRY(bind_heads(bind, facts, embedding, block, &weights));
  const int64_t inner = facts.inner(), channels = facts.channels();
  const Linear fused =
      TRY(bind.linear(block + "ssm_in", inner + channels + facts.heads, embedding));
  weights.gate = rows_of(fused, 0, inner);
  weights.mixed = rows_of(fused, inner, channels);
  weights.step = rows_of(fused, inner + channels, facts.heads);
  weights.decay_rate = TRY(bind.floats(block + "ssm_a", facts.heads, 1));
  weights.skip = TRY(bind.floats(block + "ssm_d", facts.heads, 1));
  if (bind.has(block + "ssm_norm.weight")) {
    weights.norm =
        TRY(bind.floats(block + "ssm_norm.weight", facts.key_heads, inner / facts.key_heads));
  }
  return weights;
}

Result<RecurrentWeights> bind_delta_rule(const Binder& bind, const RecurrentConfig& facts,
                                         int64_t embedding, const std::string& block) {
  RecurrentWeights weights;
  TRY(bind_heads(bind, facts, embedding, block, &weights));
  weights.mixed = TRY(bind.linear(block + "attn_qkv", facts.channels(), embedding));
  weights.gate = TRY(bind.linear(block + "attn_gate", facts.inner(), embedding));
  weights.step = TRY(bind.linear(block + "ssm_alpha", facts.heads, embedding));
  weights.rate = TRY(bind.linear(block + "ssm_beta", facts.heads, embedding));
  weights.decay_rate = TRY(bind.vector(block + "ssm_a", facts.heads));
  weights.norm = TRY(bind.vector(block + "ssm_norm.weight", facts.value_width));
  return weights;
}

}  // namespace

Result<RecurrentWeights> bind_recurrent(const Binder& bind, const ModelConfig& config,
                                        const LayerConfig& layer, const std::string& block) {
  const auto bind_kind = layer.mixer == MixerKind::ShortConvolution ? bind_short_convolution
                         : layer.mixer == MixerKind::DeltaRule      ? bind_delta_rule
                                                                    : bind_state_space;
  return bind_kind(bind, layer.recurrent, config.embedding_length, block);
}

}  // namespace issun::model
