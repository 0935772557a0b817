// The tensors of a network, found by name in the file, their shapes checked against the facts.
// Seen in place: nothing is copied, so the file must outlive them.
#pragma once

#include <vector>

#include "gguf/reader.h"
#include "model/config.h"
#include "tensor/tensor.h"

namespace issun::model {

// A matrix (outputs x inputs) and, where the file has one, its bias (outputs, F32).
struct Linear {
  Tensor weight;
  Tensor bias;
};

struct LayerWeights {
  Tensor attention_norm;  // (embedding)
  Linear query;           // (heads x key_width, embedding)
  Linear key;             // (kv_heads x key_width, embedding)
  Linear value;           // (kv_heads x value_width, embedding)
  Linear output;          // (embedding, heads x value_width)
  Tensor feed_forward_norm;
  Linear gate, up;  // (feed_forward, embedding)
  Linear down;      // (embedding, feed_forward)
};

struct Weights {
  Tensor token_embedding;  // (vocabulary, embedding)
  Tensor output_norm;
  Linear output;        // (vocabulary, embedding): the embedding again when tied
  Tensor rope_factors;  // (rope dimensions / 2) or none: divide the frequencies
  std::vector<LayerWeights> layers;
  bool tied_output = false;

  // Every matrix of the layers, in order.
  template <class Visit>
  void each_layer_matrix(Visit&& visit) const {
    for (const LayerWeights& layer : layers) {
      for (const Linear* linear : {&layer.query, &layer.key, &layer.value, &layer.output,
                                   &layer.gate, &layer.up, &layer.down}) {
        visit(linear->weight);
      }
    }
  }

  // Error: a tensor that is missing, of another shape, or of a type that has no kernels here.
  static Result<Weights> bind(const gguf::GgufFile& file, const ModelConfig& config);
  // Weights that one token's forward pass reads: all but the embedding, of which it reads a row.
  int64_t bytes_per_token() const;
  // Multiplications a token costs in the matrices, with or without the output's.
  int64_t products_per_token(bool with_output) const;
};

}  // namespace issun::model
