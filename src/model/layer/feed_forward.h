// The dense half of a layer that works on each token by itself: wider, bent, and back.
#pragma once

#include <span>

#include "model/config.h"
#include "model/layer/plan.h"
#include "tensor/tensor.h"

namespace issun::model {

struct FeedForwardWeights;
struct Pass;

struct FeedForwardRoom {
  std::span<float> gate, up;  // (max_rows, the widest)
  void plan(Plan& plan);
};

// (rows, embedding) -> (rows, embedding). Gated if the weights have a gate; gates then count from
// `cutoff` standard deviations above their mean, 0: all.
void feed_forward(const Pass& pass, const FeedForwardWeights& weights, Activation activation,
                  const Matrix<float>& in, const Matrix<float>& out, double cutoff = 0);

// One row: gate = activation(gate) * up. Without `up` just activation(gate). May change `up`.
void activate(const kernels::KernelTable& kernels, Activation activation, int64_t n, float* gate,
              float* up);

}  // namespace issun::model
