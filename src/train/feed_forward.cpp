#include "train/feed_forward.h"

namespace issun::train {

void activate(const Pass& pass, model::Activation activation, const Matrix<float>& gate,
              const Matrix<float>& up, const Matrix<float>& out) {
  const auto bend =
      activation == model::Activation::Gelu ? pass.kernels.gelu_mul : pass.kernels.silu_mul;
  pass.each_row(up.rows, [&](int64_t t) {
    if (gate.data != nullptr) {
      bend(gate.row(t), up.row(t), up.columns, out.row(t));
    } else {
      bend(up.row(t), nullptr, up.columns, out.row(t));
    }
  });
}

void activate_back(const Pass& pass, model::Activation activation, const Matrix<float>& d_out,
                   const Matrix<float>& gate, const Matrix<float>& up) {
  const auto back = activation == model::Activation::Gelu ? pass.kernels.gelu_mul_backward
                                                          : pass.kernels.silu_mul_backward;
  pass.each_row(up.rows, [&](int64_t t) {
    if (gate.data != nullptr) {
      back(gate.row(t), up.row(t), d_out.row(t), up.columns, gate.row(t), up.row(t));
    } else {
      back(up.row(t), nullptr, d_out.row(t), up.columns, up.row(t), nullptr);
    }
  });
}

namespace {

struct Inside {
  Matrix<float> gate, up, activated;
};
Inside inside(const Pass& pass, int l, int64_t rows) {
  const int64_t length = pass.layer(l).feed_forward_length;
  const FeedForwardTape& tape = pass.tape(l).feed_forward;
  return {view(tape.gate, rows, length), view(tape.up, rows, length),
          view(pass.rooms.activated, rows, length)};
}

}  // namespace

void feed_forward(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& out) {
  const model::FeedForwardWeights& weights = pass.layer_weights(l).feed_forward;
  const Inside tape = inside(pass, l, in.rows);
  if (tape.gate.data != nullptr) {
    pass.project(in, {{weights.gate, tape.gate}, {weights.up, tape.up}});
  } else {
    pass.project(in, {{weights.up, tape.up}});
  }
  activate(pass, pass.layer(l).activation, tape.gate, tape.up, tape.activated);
  pass.project(tape.activated, {{weights.down, out}});
}

void feed_forward_back(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& d_out,
                       const Matrix<float>& d_in) {
  const model::FeedForwardWeights& weights = pass.layer_weights(l).feed_forward;
  const model::Activation activation = pass.layer(l).activation;
  const Inside tape = inside(pass, l, in.rows);
  const Matrix<float> d_activated = view(pass.rooms.d_activated, in.rows, tape.up.columns);
  activate(pass, activation, tape.gate, tape.up, tape.activated);
  pass.project_back(weights.down, tape.activated, d_out, d_activated, false);
  activate_back(pass, activation, d_activated, tape.gate, tape.up);
  const bool gated = tape.gate.data != nullptr;
  if (gated) pass.project_back(weights.gate, in, tape.gate, d_in, false);
  pass.project_back(weights.up, in, tape.up, d_in, gated);
}

}  // namespace issun::train
