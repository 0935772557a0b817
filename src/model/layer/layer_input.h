// Inputs that every layer gets of its own: a part of a row that each token has beside its embedding
// (Gemma 3n and 4).
#pragma once

#include <span>

#include "model/layer/plan.h"
#include "tensor/tensor.h"

namespace issun::model {

struct Pass;

struct LayerInputRoom {
  std::span<float> all, projected;  // (max_rows, layers x width)
  std::span<float> gate;            // (max_rows, width)
  void plan(Plan& plan);
};

// Of all layers, from the tokens and from their embeddings, which are the residual now. Nothing
// when the model has none.
void prepare_layer_inputs(const Pass& pass);
// What the input of layer l has to say, weighed by `in`: (rows, embedding) both.
void layer_input(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& out);

}  // namespace issun::model
