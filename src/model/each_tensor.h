// Every tensor of a network, in the order of its weights: visit(tensor).
#pragma once

#include "model/weights.h"

namespace issun::model {

template <class Visit>
void each_tensor(Tensor& tensor, Visit&& visit) {
  if (tensor) visit(tensor);
}
template <class Visit>
void each_tensor(Norm& norm, Visit&& visit) {
  each_tensor(norm.gains, visit);
  each_tensor(norm.bias, visit);
}
// Without its adapters, which are other files'.
template <class Visit>
void each_tensor(Linear& linear, Visit&& visit) {
  each_tensor(linear.weight, visit);
  each_tensor(linear.bias, visit);
}

template <class Visit, class... Parts>
void each_tensor_of(Visit&& visit, Parts&... parts) {
  (each_tensor(parts, visit), ...);
}

template <class Visit>
void each_tensor(FeedForwardWeights& half, Visit&& visit) {
  each_tensor_of(visit, half.gate, half.up, half.down);
}

template <class Visit>
void each_tensor(LayerWeights& layer, Visit&& visit) {
  AttentionWeights& a = layer.attention;
  each_tensor_of(visit, layer.before_mixer, layer.after_mixer, a.query, a.key, a.value, a.output,
                 a.query_norm, a.key_norm, a.sinks);
  LatentWeights& l = layer.latent;
  each_tensor_of(visit, l.query_low, l.query_norm, l.query, l.key, l.key_norm, l.key_up, l.value_up,
                 l.output);
  RecurrentWeights& r = layer.recurrent;
  each_tensor_of(visit, r.mixed, r.gate, r.before, r.step, r.rate, r.output, r.taps, r.taps_bias,
                 r.step_bias, r.decay_rate, r.skip, r.norm);
  MixtureWeights& m = layer.mixture;
  each_tensor_of(visit, layer.before_feed_forward, layer.after_feed_forward, layer.feed_forward,
                 m.router, m.selection_bias, m.shared, m.shared_gate, m.router_norm,
                 m.before_experts, m.after_experts, m.after_shared, m.scales);
  for (FeedForwardWeights& expert : m.experts) each_tensor(expert, visit);
  StreamWeights& s = layer.streams;
  each_tensor_of(visit, layer.input.gate, layer.input.projection, layer.input.norm, s.router_norm,
                 s.router, s.predict, s.correct, s.correct_gains, s.low, s.back, s.low_norm,
                 layer.output_scale);
}

template <class Visit>
void each_tensor(Weights& weights, Visit&& visit) {
  HeadWeights& h = weights.head;
  each_tensor_of(visit, weights.token_embedding, weights.learned_positions, weights.token_types,
                 weights.embedding_norm, h.first_dense, h.second_dense, h.classifier,
                 h.classifier_norm, h.scores, weights.layer_inputs.embedding,
                 weights.layer_inputs.projection, weights.layer_inputs.norm, weights.open_streams,
                 weights.close_streams, weights.output_norm, weights.output, weights.rope_factors,
                 weights.long_rope_factors, weights.short_rope_factors);
  for (LayerWeights& layer : weights.layers) each_tensor(layer, visit);
}

}  // namespace issun::model
