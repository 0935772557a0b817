// One forward and backward pass as its parts see it, and the steps they share: products, norms,
// sums over rows. Allocates nothing, cannot fail.
#pragma once

#include <initializer_list>

#include "base/threads.h"
#include "kernels/gemm.h"
#include "kernels/linear.h"
#include "model/config.h"
#include "model/weights.h"
#include "train/batch_source.h"
#include "train/parameters.h"
#include "train/tape.h"

namespace issun::train {

// The first `rows` rows of a room that holds rows of `columns`.
inline Matrix<float> view(std::span<float> room, int64_t rows, int64_t columns) {
  return {room.data(), rows, columns, columns};
}

struct Pass {
  const model::ModelConfig& config;
  const model::Weights& weights;
  const Parameters& parameters;
  const kernels::KernelTable& kernels;
  Workers& workers;
  const kernels::GemmScratch& scratch;
  const kernels::GemmPrecision precision;
  Rooms& rooms;
  const Batch& batch;

  int64_t rows() const { return batch.rows(); }
  const model::LayerConfig& layer(int l) const { return config.layers[static_cast<size_t>(l)]; }
  const model::LayerWeights& layer_weights(int l) const {
    return weights.layers[static_cast<size_t>(l)];
  }
  LayerTape& tape(int l) const { return rooms.layers[static_cast<size_t>(l)]; }

  // body(t) for each of `rows` rows, on all workers.
  template <class Body>
  void each_row(int64_t rows, Body&& body) const {
    const int64_t chunk = std::max<int64_t>(1, rows / (8 * workers.count()));
    workers.for_each(rows, chunk, [&](int64_t begin, int64_t end, int) {
      for (int64_t t = begin; t < end; ++t) body(t);
    });
  }

  // outs[i] = linears[i] of the rows, with biases and adapters.
  struct Projection {
    const model::Linear& linear;
    Matrix<float> out;
  };
  void project(const Matrix<float>& in, std::initializer_list<Projection> projections) const;
  // From the gradient of what a matrix gave: adds to those of the matrix, its bias and adapters,
  // and writes (or adds to) that of what it read.
  void project_back(const model::Linear& linear, const Matrix<float>& in,
                    const Matrix<float>& d_out, const Matrix<float>& d_in, bool accumulate) const;

  // Each row of `in` by itself.
  void norm(const model::Norm& norm, const Matrix<float>& in, const Matrix<float>& out) const;
  // Adds to d_in, and to the gradients of gains and bias.
  void norm_back(const model::Norm& norm, const Matrix<float>& in, const Matrix<float>& d_out,
                 const Matrix<float>& d_in) const;

  // sums[c] += the sum of column c.
  void add_column_sums(const Matrix<float>& rows, float* sums) const;
  // sum += factor * rows, all of the same shape.
  void add_scaled(const Matrix<float>& rows, double factor, const Matrix<float>& sum) const;

 private:
  void adapt(const Matrix<float>& in, const Projection& projection) const;
  void adapt_back(const model::LowRank& adapter, const Matrix<float>& in,
                  const Matrix<float>& d_out, const Matrix<float>& d_in) const;
  void multiply(const kernels::GemmOperand& a, const kernels::GemmOperand& b,
                const Matrix<float>& out, bool accumulate) const;
};

}  // namespace issun::train
