// The dense half of a layer that works on each token by itself: wider, bent, and back.
#pragma once

#include <span>

#include "model/layer/plan.h"
#include "tensor/tensor.h"

namespace issun::model {

struct Pass;

struct FeedForwardRoom {
  std::span<float> gate, up;  // (max_rows, feed_forward)
  void plan(Plan& plan);
};

// (rows, embedding) -> (rows, embedding)
void feed_forward(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& out);

// gate = activation(gate) * up, row by row; without `up` (no data) just activation(gate).
void activate(const Pass& pass, int l, const Matrix<float>& gate, const Matrix<float>& up);

}  // namespace issun::model
