#include "model/layer/streams.h"

#include <cmath>
#include <cstring>

#include "model/binder.h"
#include "model/layer/layer_input.h"
#include "model/layer/pass.h"

namespace issun::model {

namespace {

// The rooms as wide as the model needs them.
struct StreamViews {
  int count;
  int64_t width;
  Matrix<float> residual, normed, branch, all, predicted, modes, mixture;

  explicit StreamViews(const Pass& pass)
      : count(pass.config.streams.count), width(pass.config.embedding_length) {
    const Buffers& b = pass.buffers;
    const auto rows = [&](std::span<float> room, int64_t columns) {
      return view(room, pass.rows(), columns);
    };
    residual = rows(b.residual, width);
    normed = rows(b.normed, width);
    branch = rows(b.branch, width);
    all = rows(b.streams.all, count * width);
    predicted = rows(b.streams.predicted, count * width);
    modes = rows(b.streams.modes, count);
    mixture = rows(b.streams.mixture, int64_t{count} * count);
  }
};

float length(const Pass& pass, const float* x, int64_t n) {
  return std::sqrt(pass.kernels.dot(x, x, static_cast<int>(n)));
}

// x becomes as long as `wanted`.
void stretch(const Pass& pass, float wanted, int64_t n, float* x) {
  pass.kernels.scale(x, wanted / length(pass, x, n), n, x);
}

// How much each stream has to do with the residual: view.modes.
void route(const Pass& pass, int l, const StreamViews& view) {
  const StreamWeights& weights = pass.layer_weights(l).streams;
  pass.each_row(pass.rows(), [&](int64_t t) {
    pass.norm_row(weights.router_norm, view.residual.row(t), view.width, view.normed.row(t));
    pass.kernels.scale(view.normed.row(t), 1 / static_cast<float>(view.width), view.width,
                       view.normed.row(t));
  });
  pass.project(view.normed, {{weights.router, view.modes}});
  pass.each_row(pass.rows(),
                [&](int64_t t) { pass.kernels.soft_cap(view.modes.row(t), view.count, 1); });
}

void copy_stream(const Pass& pass, const StreamViews& view, const Matrix<float>& from) {
  pass.each_row(pass.rows(), [&](int64_t t) {
    std::memcpy(view.residual.row(t), from.row(t) + pass.config.streams.active * view.width,
                static_cast<size_t>(view.width) * sizeof(float));
  });
}

}  // namespace

void StreamRooms::plan(Plan& plan) {
  const int64_t count = plan.config.streams.count, rank = plan.config.streams.low_rank;
  if (count == 1) return;
  const int64_t rows = plan.options.max_rows, width = plan.config.embedding_length;
  plan.layout.add(&all, rows * count * width);
  plan.layout.add(&predicted, rows * count * width);
  plan.layout.add(&modes, rows * count);
  plan.layout.add(&mixture, rows * count * count);
  plan.layout.add(&low, rows * rank);
  plan.layout.add(&low_way, rows * width);
  plan.widest_input(rows, std::max(count, rank));
}

void open_streams(const Pass& pass) {
  if (pass.config.streams.count == 1) return;
  const StreamViews view(pass);
  pass.project(view.residual, {{pass.weights.open_streams,
                                columns_of(view.all, view.width, (view.count - 1) * view.width)}});
  pass.each_row(pass.rows(), [&](int64_t t) {
    const float* x = view.residual.row(t);
    std::memcpy(view.all.row(t), x, static_cast<size_t>(view.width) * sizeof(float));
    for (int s = 1; s < view.count; ++s)
      stretch(pass, length(pass, x, view.width), view.width, view.all.row(t) + s * view.width);
  });
}

void predict_streams(const Pass& pass, int l) {
  if (pass.config.streams.count == 1) return;
  const StreamViews view(pass);
  copy_stream(pass, view, view.all);
  route(pass, l, view);
  pass.project(view.modes, {{pass.layer_weights(l).streams.predict, view.mixture}});
  pass.each_row(pass.rows(), [&](int64_t t) {
    const float *all = view.all.row(t), *mixture = view.mixture.row(t);
    float* predicted = view.predicted.row(t);
    std::memcpy(predicted, all, static_cast<size_t>(view.count * view.width) * sizeof(float));
    for (int to = 0; to < view.count; ++to)
      for (int from = 0; from < view.count; ++from)
        pass.kernels.add_scaled(all + from * view.width, mixture[to * view.count + from],
                                view.width, predicted + to * view.width);
  });
  copy_stream(pass, view, view.predicted);
}

void low_way(const Pass& pass, int l, const Matrix<float>& in) {
  if (pass.config.streams.count == 1) return;
  const StreamWeights& weights = pass.layer_weights(l).streams;
  const Matrix<float> low = view(pass.buffers.streams.low, in.rows, pass.config.streams.low_rank);
  const Matrix<float> way = view(pass.buffers.streams.low_way, in.rows, in.columns);
  pass.project(in, {{weights.low, low}});
  pass.project(low, {{weights.back, way}});
  pass.each_row(in.rows, [&](int64_t t) {
    pass.norm_row(weights.low_norm, way.row(t), way.columns, way.row(t));
    pass.kernels.add(way.row(t), in.row(t), way.columns, way.row(t));
  });
}

void add_low_way(const Pass& pass) {
  if (pass.config.streams.count == 1) return;
  const StreamViews view(pass);
  pass.each_row(pass.rows(), [&](int64_t t) {
    float* x = view.residual.row(t);
    pass.kernels.add(x, pass.buffers.streams.low_way.data() + t * view.width, view.width, x);
    pass.kernels.scale(x, 1 / std::sqrt(2.0f), view.width, x);
  });
}

void correct_streams(const Pass& pass, int l) {
  if (pass.config.streams.count == 1) return;
  const StreamViews view(pass);
  const StreamWeights& weights = pass.layer_weights(l).streams;
  const int active = pass.config.streams.active;
  route(pass, l, view);
  const Matrix<float> shares = columns_of(view.mixture, 0, view.count);
  pass.project(view.modes, {{weights.correct, shares}});
  pass.each_row(pass.rows(), [&](int64_t t) {
    float *all = view.all.row(t), *learned = view.branch.row(t);
    const float* predicted = view.predicted.row(t);
    std::memcpy(all, predicted, static_cast<size_t>(view.count * view.width) * sizeof(float));
    std::memcpy(learned, view.residual.row(t), static_cast<size_t>(view.width) * sizeof(float));
    pass.kernels.add_scaled(predicted + active * view.width, -1, view.width, learned);
    for (int s = 0; s < view.count; ++s)
      pass.kernels.add_scaled(learned, 1 + shares.row(t)[s], view.width, all + s * view.width);
    pass.kernels.mul(all + active * view.width, weights.correct_gains.floats(), view.width,
                     view.normed.row(t));
  });
  layer_input(pass, l, view.normed, view.branch);
  pass.each_row(pass.rows(), [&](int64_t t) {
    for (int s = 1; s < view.count; ++s) {
      float* stream = view.all.row(t) + s * view.width;
      pass.kernels.add(stream, view.branch.row(t), view.width, stream);
    }
  });
}

void close_streams(const Pass& pass) {
  if (pass.config.streams.count == 1) return;
  const StreamViews view(pass);
  copy_stream(pass, view, view.all);
  for (int s = 1; s < view.count; ++s) {
    const Linear back = rows_of(pass.weights.close_streams, (s - 1) * view.width, view.width);
    pass.project(columns_of(view.all, s * view.width, view.width),
                 {{back, columns_of(view.predicted, s * view.width, view.width)}});
  }
  pass.each_row(pass.rows(), [&](int64_t t) {
    float* x = view.residual.row(t);
    const float wanted = length(pass, x, view.width);
    std::memcpy(x, view.all.row(t), static_cast<size_t>(view.width) * sizeof(float));
    for (int s = 1; s < view.count; ++s) {
      float* stream = view.predicted.row(t) + s * view.width;
      stretch(pass, wanted, view.width, stream);
      pass.kernels.add(x, stream, view.width, x);
    }
    pass.kernels.scale(x, 1 / static_cast<float>(view.count), view.width, x);
  });
}

}  // namespace issun::model
