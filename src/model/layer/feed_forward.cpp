#include "model/layer/feed_forward.h"

#include "model/layer/pass.h"

namespace issun::model {

void FeedForwardRoom::plan(Plan& plan) {
  int64_t gated = 0, widest = 0;
  for (const LayerConfig& layer : plan.config.layers) {
    const int64_t width = layer.feed_forward_length;
    widest = std::max(widest, width);
    if (layer.feed_forward == FeedForwardKind::Gated) gated = std::max(gated, width);
  }
  plan.layout.add(&gate, plan.options.max_rows * gated);
  plan.layout.add(&up, plan.options.max_rows * widest);
  plan.widest_input(plan.options.max_rows, widest);
}

void feed_forward(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& out) {
  const LayerConfig& layer = pass.layer(l);
  const FeedForwardWeights& weights = pass.layer_weights(l).feed_forward;
  const Matrix<float> up = view(pass.buffers.feed_forward.up, in.rows, layer.feed_forward_length);
  if (layer.feed_forward == FeedForwardKind::Plain) {
    pass.project(in, {{weights.up, up}});
    activate(pass, l, up, {});
    pass.project(up, {{weights.down, out}});
    return;
  }
  const Matrix<float> gate = view(pass.buffers.feed_forward.gate, in.rows, up.columns);
  pass.project(in, {{weights.gate, gate}, {weights.up, up}});
  activate(pass, l, gate, up);
  pass.project(gate, {{weights.down, out}});
}

void activate(const Pass& pass, int l, const Matrix<float>& gate, const Matrix<float>& up) {
  const auto bend =
      pass.layer(l).activation == Activation::Gelu ? pass.kernels.gelu_mul : pass.kernels.silu_mul;
  pass.each_row(gate.rows, [&](int64_t t) {
    bend(gate.row(t), up.data != nullptr ? up.row(t) : nullptr, gate.columns, gate.row(t));
  });
}

}  // namespace issun::model
