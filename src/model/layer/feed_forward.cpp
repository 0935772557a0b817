#include "model/layer/feed_forward.h"

#include <algorithm>
#include <cmath>

#include "model/layer/pass.h"

namespace issun::model {

void FeedForwardRoom::plan(Plan& plan) {
  int64_t gated = 0, widest = 0;
  for (const LayerConfig& layer : plan.config.layers) {
    const int64_t width = layer.feed_forward == FeedForwardKind::Mixture
                              ? layer.mixture.shared_length
                              : layer.feed_forward_length;
    widest = std::max(widest, width);
    if (layer.feed_forward != FeedForwardKind::Plain) gated = std::max(gated, width);
  }
  plan.layout.add(&gate, plan.options.max_rows * gated);
  plan.layout.add(&up, plan.options.max_rows * widest);
  plan.widest_input(plan.options.max_rows, widest);
}

namespace {

// What is below the cutoff becomes 0, and the rest what it is above it.
void cut_gates(double cutoff, std::span<float> gates) {
  double sum = 0, squares = 0;
  for (const float gate : gates) sum += gate;
  const double n = static_cast<double>(gates.size()), mean = sum / n;
  for (const float gate : gates) squares += (gate - mean) * (gate - mean);
  const double from = mean + cutoff * std::sqrt(squares / std::max(1.0, n - 1));
  for (float& gate : gates) gate = static_cast<float>(std::max(0.0, gate - from));
}

}  // namespace

void feed_forward(const Pass& pass, const FeedForwardWeights& weights, Activation activation,
                  const Matrix<float>& in, const Matrix<float>& out, double cutoff) {
  const int64_t width = weights.up.weight.rows();
  const Matrix<float> up = view(pass.buffers.feed_forward.up, in.rows, width);
  const bool gated = static_cast<bool>(weights.gate.weight);
  const Matrix<float> gate = gated ? view(pass.buffers.feed_forward.gate, in.rows, width) : up;
  if (gated) {
    pass.project(in, {{weights.gate, gate}, {weights.up, up}});
  } else {
    pass.project(in, {{weights.up, up}});
  }
  pass.each_row(in.rows, [&](int64_t t) {
    if (cutoff != 0) cut_gates(cutoff, {gate.row(t), static_cast<size_t>(width)});
    activate(pass.kernels, activation, width, gate.row(t), gated ? up.row(t) : nullptr);
  });
  pass.project(gate, {{weights.down, out}});
}

void activate(const kernels::KernelTable& kernels, Activation activation, int64_t n, float* gate,
              float* up) {
  if (activation == Activation::ClampedSilu) {
    // gate * sigmoid(s gate) * (up + 1) = silu(s gate) * ((up + 1) / s)
    constexpr float kLimit = 7, kSlope = 1.702f;
    for (int64_t i = 0; i < n; ++i) {
      gate[i] = kSlope * std::min(gate[i], kLimit);
      if (up != nullptr) up[i] = (std::clamp(up[i], -kLimit, kLimit) + 1) / kSlope;
    }
  }
  const auto bend = activation == Activation::Gelu ? kernels.gelu_mul : kernels.silu_mul;
  bend(gate, up, n, gate);
}

}  // namespace issun::model
