// Layers that carry a state from token to token: short convolutions, state spaces (Mamba-2) and the
// gated delta rule.
#pragma once

#include <span>

#include "model/layer/plan.h"
#include "tensor/tensor.h"

namespace issun::model {

struct Pass;

struct RecurrentRooms {
  std::span<float> mixed;              // (max_rows, channels): what the convolution goes over
  std::span<float> gate, inner;        // (max_rows, heads x value_width)
  std::span<float> step, decay, rate;  // (max_rows, heads)
  std::span<float> beside;             // (max_rows, embedding): of attention beside a state space
  void plan(Plan& plan);
};

// (rows, embedding) -> (rows, embedding); the states of the sequences are those after the rows.
void short_convolution(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& out);
void state_space(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& out);
void delta_rule(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& out);

}  // namespace issun::model
