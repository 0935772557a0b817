// The tensors of a network, found by name in the file, their shapes checked against the facts.
// Seen in place: nothing is copied, so the file must outlive them.
#pragma once

#include <vector>

#include "gguf/reader.h"
#include "model/config.h"
#include "tensor/tensor.h"

namespace issun::model {

// What an adapter adds to a matrix: scale * b (a x). See adapter.h.
struct LowRank {
  Tensor a;  // (rank, inputs)
  Tensor b;  // (outputs, rank)
  float scale = 1;
  int adapter = 0;  // whose it is
};

// The room that adapters need for each token.
struct AdapterSizes {
  int64_t rank = 0, outputs = 0;  // the largest
  int count = 0;                  // of adapters
};

// A matrix (outputs x inputs) and, where the file has one, its bias (outputs, F32).
struct Linear {
  Tensor weight;
  Tensor bias;
  std::vector<LowRank> adapters = {};
};

// Gains and, where the file has one, the bias (columns, F32). None where the layer has no such
// norm.
struct Norm {
  Tensor gains;
  Tensor bias;
  explicit operator bool() const { return static_cast<bool>(gains); }
};

// each_matrix(visit) of a part calls visit(matrix, share): the share of tokens that need the
// matrix.
struct AttentionWeights {
  Linear query;               // (heads x key_width, embedding); with gates, twice as much a head
  Linear key;                 // (kv_heads x key_width, embedding)
  Linear value;               // (kv_heads x value_width, embedding)
  Linear output;              // (embedding, heads x value_width)
  Norm query_norm, key_norm;  // (key_width), or of all heads
  Tensor sinks;               // (heads)

  template <class Visit>
  void each_matrix(Visit&& visit) const {
    for (const Linear* linear : {&query, &key, &value, &output}) visit(linear->weight, 1.0);
  }
  template <class Visit>
  void each_adaptable(Visit&& visit) {
    for (Linear* linear : {&query, &key, &value, &output}) visit(*linear);
  }
};

struct LatentWeights {
  Linear query_low;  // (query_rank, embedding), or none
  Norm query_norm;   // (query_rank)
  Linear query;      // (heads x (plain + rotated width), query_rank or embedding)
  Linear key;        // (rank + rotated width, embedding)
  Norm key_norm;     // (rank)
  Linear key_up;     // (heads x rank, plain width): a head's query to where keys are
  Linear value_up;   // (heads x value_width, rank)
  Linear output;     // (embedding, heads x value_width)

  template <class Visit>
  void each_matrix(Visit&& visit) const {
    for (const Linear* linear : {&query_low, &query, &key, &key_up, &value_up, &output})
      visit(linear->weight, 1.0);
  }
};

// What a layer does with its own input: residual += norm(projection(act(gate residual) * input)).
struct LayerInputPart {
  Linear gate;        // (input width, embedding)
  Linear projection;  // (embedding, input width)
  Norm norm;          // (embedding)

  template <class Visit>
  void each_matrix(Visit&& visit) const {
    for (const Linear* linear : {&gate, &projection}) visit(linear->weight, 1.0);
  }
};

// Where the inputs of all layers come from.
struct LayerInputWeights {
  Tensor embedding;   // (vocabulary, layers x input width)
  Linear projection;  // (layers x input width, embedding)
  Norm norm;          // (input width)
};

// Of one layer, where there are several streams.
struct StreamWeights {
  Norm router_norm;      // (embedding)
  Linear router;         // (streams, embedding)
  Linear predict;        // (streams x streams, streams)
  Linear correct;        // (streams, streams)
  Tensor correct_gains;  // (embedding)
  Linear low, back;      // (rank, embedding) and (embedding, rank)
  Norm low_norm;         // (embedding)

  template <class Visit>
  void each_matrix(Visit&& visit) const {
    for (const Linear* linear : {&router, &predict, &correct, &low, &back})
      visit(linear->weight, 1.0);
  }
};

struct RecurrentWeights {
  Linear mixed;       // (channels, embedding): what the convolution goes over
  Linear gate;        // (heads x value_width, embedding)
  Linear before;      // short convolution: multiplies `mixed`
  Linear step;        // (heads, embedding)
  Linear rate;        // delta rule: (heads, embedding)
  Linear output;      // (embedding, heads x value_width)
  Tensor taps;        // (channels, taps)
  Tensor taps_bias;   // (channels)
  Tensor step_bias;   // (heads)
  Tensor decay_rate;  // (heads): a state decays by exp(rate x step)
  Tensor skip;        // (heads): of values past the state
  Tensor norm;        // (heads that share a norm, their width), or of one head for all

  template <class Visit>
  void each_matrix(Visit&& visit) const {
    for (const Linear* linear : {&mixed, &gate, &before, &step, &rate, &output})
      visit(linear->weight, 1.0);
  }
};

struct FeedForwardWeights {
  Linear gate, up;  // (feed_forward, embedding); no gate when plain
  Linear down;      // (embedding, feed_forward)

  template <class Visit>
  void each_matrix(Visit&& visit, double share = 1) const {
    for (const Linear* linear : {&gate, &up, &down}) visit(linear->weight, share);
  }
  template <class Visit>
  void each_adaptable(Visit&& visit) {
    for (Linear* linear : {&gate, &up, &down}) visit(*linear);
  }
};

struct MixtureWeights {
  Linear router;          // (experts, embedding)
  Tensor selection_bias;  // (experts): moves the choice of experts, not their shares; or none
  std::vector<FeedForwardWeights> experts;
  FeedForwardWeights shared;  // the expert that is always used
  Linear shared_gate;         // (1, embedding)
  // Beside a dense half, which is then `shared`:
  Norm router_norm, before_experts, after_experts, after_shared;  // (embedding) each
  Tensor scales;                                                  // (experts), of shares; or none
  double used_share = 0;                                          // of the experts, by one token

  template <class Visit>
  void each_matrix(Visit&& visit) const {
    visit(router.weight, 1.0);
    visit(shared_gate.weight, 1.0);
    shared.each_matrix(visit);
    for (const FeedForwardWeights& expert : experts) expert.each_matrix(visit, used_share);
  }
};

// What a layer has of each kind of part; the parts it lacks are empty.
struct LayerWeights {
  Norm before_mixer, after_mixer;
  AttentionWeights attention;
  LatentWeights latent;
  RecurrentWeights recurrent;
  Norm before_feed_forward, after_feed_forward;
  FeedForwardWeights feed_forward;
  MixtureWeights mixture;
  LayerInputPart input;
  StreamWeights streams;
  Tensor output_scale;  // (1)

  template <class Visit>
  void each_matrix(Visit&& visit) const {
    const auto present = [&](const Tensor& matrix, double share) {
      if (matrix) visit(matrix, share);
    };
    attention.each_matrix(present);
    latent.each_matrix(present);
    recurrent.each_matrix(present);
    input.each_matrix(present);
    streams.each_matrix(present);
    feed_forward.each_matrix(present);
    mixture.each_matrix(present);
  }
};

// What follows the pooled vector of a text; parts may be absent.
struct HeadWeights {
  Linear first_dense, second_dense;  // one after the other
  Linear classifier;                 // (embedding, embedding), then tanh or gelu
  Norm classifier_norm;
  Linear scores;  // (labels, embedding)
};

struct Weights {
  Tensor token_embedding;    // (vocabulary, embedding)
  Tensor learned_positions;  // (positions, embedding)
  Tensor token_types;        // (types, embedding), of which row 0 is added; or none
  Norm embedding_norm;
  HeadWeights head;
  LayerInputWeights layer_inputs;
  // ((streams - 1) x embedding, embedding) each: from the first stream to the others, and back
  Linear open_streams, close_streams;
  Norm output_norm;
  Linear output;  // (vocabulary, embedding): the embedding again when tied
  // (rope dimensions / 2) each, or none: what divides the frequencies always, in long and in short
  // contexts.
  Tensor rope_factors, long_rope_factors, short_rope_factors;
  std::vector<LayerWeights> layers;
  bool tied_output = false;
  AdapterSizes adapter_sizes;

  // visit(matrix, share) for every matrix of the layers, in order.
  template <class Visit>
  void each_layer_matrix(Visit&& visit) const {
    for (const LayerWeights& layer : layers) layer.each_matrix(visit);
  }

  // Every matrix that an adapter may add to: those that Pass::project() multiplies with.
  template <class Visit>
  void each_adaptable(Visit&& visit) {
    if (!tied_output) visit(output);
    for (LayerWeights& layer : layers) {
      layer.attention.each_adaptable(visit);
      layer.feed_forward.each_adaptable(visit);
    }
  }

  // Error: a tensor that is missing, of another shape, or of a type that has no kernels here.
  static Result<Weights> bind(const gguf::GgufFile& file, const ModelConfig& config);
  // Weights that one token's forward pass reads: all but the embedding, of which it reads a row.
  int64_t bytes_per_token() const;
  // Multiplications a token costs in the matrices, with or without the output's.
  int64_t products_per_token(bool with_output) const;
  // Of the layers' largest matrix.
  DType main_type() const;
};

}  // namespace issun::model
