#include "train/layer.h"

#include <cstring>

#include "train/attention.h"
#include "train/feed_forward.h"
#include "train/mixture.h"

namespace issun::train {

namespace {

void feed(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& out) {
  if (pass.layer(l).feed_forward == model::FeedForwardKind::Mixture) {
    mixture(pass, l, in, out);
  } else {
    feed_forward(pass, l, in, out);
  }
}

// What a half of a layer reads: the residual, normed where the layer does.
Matrix<float> read(const Pass& pass, const model::Norm& before, const Matrix<float>& residual) {
  if (!before) return residual;
  const Matrix<float> normed = view(pass.rooms.normed, residual.rows, residual.columns);
  pass.norm(before, residual, normed);
  return normed;
}

// The residual with what a half gave, before the norm that some layers have of that.
Matrix<float> sum_of(const Pass& pass, const Matrix<float>& residual, const Matrix<float>& given) {
  const Matrix<float> sum = view(pass.rooms.branch, given.rows, given.columns);
  const float scale = static_cast<float>(pass.config.residual_scale);
  pass.each_row(given.rows, [&](int64_t t) {
    pass.kernels.scale(given.row(t), scale, given.columns, sum.row(t));
    pass.kernels.add(residual.row(t), sum.row(t), given.columns, sum.row(t));
  });
  return sum;
}

// out = residual + what a half gave; that is normed before or after it is added, where the layer
// does.
void add_branch(const Pass& pass, int l, const model::Norm& after, const Matrix<float>& branch,
                const Matrix<float>& residual, const Matrix<float>& out) {
  if (pass.layer(l).norms_sum) return pass.norm(after, sum_of(pass, residual, branch), out);
  const float scale = static_cast<float>(pass.config.residual_scale);
  Matrix<float> rows = branch;
  if (after) {
    rows = view(pass.rooms.branch, branch.rows, branch.columns);
    pass.norm(after, branch, rows);
  }
  pass.each_row(rows.rows, [&](int64_t t) {
    if (scale != 1) pass.kernels.scale(rows.row(t), scale, rows.columns, rows.row(t));
    pass.kernels.add(residual.row(t), rows.row(t), rows.columns, out.row(t));
  });
}

// From the gradient of the normed sum of a residual and what was added to that of the sum, in
// place.
void sum_back(const Pass& pass, const model::Norm& after, const Matrix<float>& sum) {
  const Matrix<float> d_normed = view(pass.rooms.d_residual, sum.rows, sum.columns);
  const Matrix<float> d_sum = view(pass.rooms.d_branch, sum.rows, sum.columns);
  const size_t bytes = static_cast<size_t>(sum.rows * sum.columns) * sizeof(float);
  std::memset(d_sum.data, 0, bytes);
  pass.norm_back(after, sum, d_normed, d_sum);
  std::memcpy(d_normed.data, d_sum.data, bytes);
}

// The gradient of what a half gave, from that of the residual it was added to. `given` is what it
// gave, where it was normed, and `residual` what it was added to.
Matrix<float> branch_back(const Pass& pass, int l, const model::Norm& after, std::span<float> given,
                          const Matrix<float>& residual) {
  const int64_t rows = pass.rows(), width = pass.config.embedding_length;
  const Matrix<float> d_residual = view(pass.rooms.d_residual, rows, width);
  const bool sum = pass.layer(l).norms_sum;
  if (sum) sum_back(pass, after, sum_of(pass, residual, view(given, rows, width)));
  const float scale = static_cast<float>(pass.config.residual_scale);
  if ((!after || sum) && scale == 1) return d_residual;
  const Matrix<float> scaled = view(pass.rooms.branch, rows, width);
  pass.each_row(
      rows, [&](int64_t t) { pass.kernels.scale(d_residual.row(t), scale, width, scaled.row(t)); });
  if (!after || sum) return scaled;
  const Matrix<float> d_branch = view(pass.rooms.d_branch, rows, width);
  std::memset(d_branch.data, 0, static_cast<size_t>(rows * width) * sizeof(float));
  pass.norm_back(after, view(given, rows, width), scaled, d_branch);
  return d_branch;
}

// Adds the gradient of what a half read to that of the residual.
void read_back(const Pass& pass, const model::Norm& before, const Matrix<float>& residual,
               const Matrix<float>& d_read) {
  const Matrix<float> d_residual = view(pass.rooms.d_residual, residual.rows, residual.columns);
  if (before) {
    pass.norm_back(before, residual, d_read, d_residual);
  } else {
    pass.add_scaled(d_read, 1, d_residual);
  }
}

}  // namespace

void run_layer(const Pass& pass, int l, const Matrix<float>& out) {
  const model::LayerWeights& weights = pass.layer_weights(l);
  const int64_t rows = pass.rows(), width = pass.config.embedding_length;
  const LayerTape& tape = pass.tape(l);
  const Matrix<float> in = view(tape.in, rows, width), middle = view(tape.middle, rows, width);
  const bool normed_after = pass.layer(l).norms_after;
  const auto given = [&](std::span<float> kept) {
    return view(normed_after ? kept : pass.rooms.branch, rows, width);
  };
  const Matrix<float> mixed = given(tape.mixed), fed = given(tape.fed);
  attention(pass, l, read(pass, weights.before_mixer, in), mixed);
  add_branch(pass, l, weights.after_mixer, mixed, in, middle);
  feed(pass, l, read(pass, weights.before_feed_forward, middle), fed);
  add_branch(pass, l, weights.after_feed_forward, fed, middle, out);
}

void run_layer_back(const Pass& pass, int l, double balance) {
  const model::LayerWeights& weights = pass.layer_weights(l);
  const int64_t rows = pass.rows(), width = pass.config.embedding_length;
  const LayerTape& tape = pass.tape(l);
  const Matrix<float> in = view(tape.in, rows, width), middle = view(tape.middle, rows, width);
  const Matrix<float> d_read = view(pass.rooms.d_normed, rows, width);

  const Matrix<float> d_fed = branch_back(pass, l, weights.after_feed_forward, tape.fed, middle);
  const Matrix<float> fed_rows = read(pass, weights.before_feed_forward, middle);
  if (pass.layer(l).feed_forward == model::FeedForwardKind::Mixture) {
    mixture_back(pass, l, fed_rows, d_fed, d_read, balance);
  } else {
    feed_forward_back(pass, l, fed_rows, d_fed, d_read);
  }
  read_back(pass, weights.before_feed_forward, middle, d_read);

  const Matrix<float> d_mixed = branch_back(pass, l, weights.after_mixer, tape.mixed, in);
  attention_back(pass, l, read(pass, weights.before_mixer, in), d_mixed, d_read);
  read_back(pass, weights.before_mixer, in, d_read);
}

}  // namespace issun::train
