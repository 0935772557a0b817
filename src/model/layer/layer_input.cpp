#include "model/layer/layer_input.h"

#include <cmath>

#include "model/layer/pass.h"

namespace issun::model {

namespace {

int64_t all_inputs(const ModelConfig& config) {
  return int64_t{config.layer_input_width} * static_cast<int64_t>(config.layers.size());
}

}  // namespace

void LayerInputRoom::plan(Plan& plan) {
  const int64_t rows = plan.options.max_rows, width = plan.config.layer_input_width;
  plan.layout.add(&all, rows * all_inputs(plan.config));
  plan.layout.add(&projected, rows * all_inputs(plan.config));
  plan.layout.add(&gate, rows * width);
  plan.widest_input(rows, width);
}

void prepare_layer_inputs(const Pass& pass) {
  const int64_t width = pass.config.layer_input_width, columns = all_inputs(pass.config);
  if (width == 0) return;
  const kernels::KernelTable& k = pass.kernels;
  const LayerInputWeights& weights = pass.weights.layer_inputs;
  const Matrix<float> residual =
      view(pass.buffers.residual, pass.rows(), pass.config.embedding_length);
  const Matrix<float> all = view(pass.buffers.layer_input.all, pass.rows(), columns);
  const Matrix<float> projected = view(pass.buffers.layer_input.projected, pass.rows(), columns);
  pass.project(residual, {{weights.projection, projected}});
  const float shrink = 1 / std::sqrt(static_cast<float>(residual.columns));
  const float grow = std::sqrt(static_cast<float>(width));
  pass.each_row(pass.rows(), [&](int64_t t) {
    float* row = all.row(t);
    kernels::embed_row(k, weights.embedding, pass.batch.tokens[static_cast<size_t>(t)],
                       {row, static_cast<size_t>(columns)});
    k.scale(row, grow, columns, row);
    float* from_residual = projected.row(t);
    k.scale(from_residual, shrink, columns, from_residual);
    for (int64_t c = 0; c < columns; c += width)
      pass.norm_row(weights.norm, from_residual + c, width, from_residual + c);
    k.add(row, from_residual, columns, row);
    k.scale(row, 1 / std::sqrt(2.0f), columns, row);
  });
}

void layer_input(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& out) {
  const int64_t width = pass.config.layer_input_width;
  const LayerInputPart& weights = pass.layer_weights(l).input;
  const Matrix<float> gate = view(pass.buffers.layer_input.gate, pass.rows(), width);
  pass.project(in, {{weights.gate, gate}});
  pass.each_row(pass.rows(), [&](int64_t t) {
    const float* input = pass.buffers.layer_input.all.data() + t * all_inputs(pass.config);
    pass.kernels.gelu_mul(gate.row(t), input + l * width, width, gate.row(t));
  });
  pass.project(gate, {{weights.projection, out}});
  pass.norm(weights.norm, out, out);
}

}  // namespace issun::model
