// One run through the layers as their parts see it: what they work on, and the steps they share.
// Copied nowhere, allocates nothing, cannot fail.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <type_traits>

#include "base/threads.h"
#include "kernels/linear.h"
#include "model/buffers.h"
#include "model/config.h"
#include "model/decoder.h"
#include "model/observer.h"
#include "model/profile.h"
#include "model/residency.h"
#include "model/weights.h"

namespace issun::model {

// Columns [first, first + count) of rows.
inline Matrix<float> columns_of(const Matrix<float>& rows, int64_t first, int64_t count) {
  return {rows.data + first, rows.rows, count, rows.stride};
}

struct Pass {
  const ModelConfig& config;
  const Weights& weights;
  const kernels::KernelTable& kernels;
  Workers& workers;
  const kernels::LinearScratch& scratch;
  const bool exact;                       // F32 activations everywhere
  ProductObserver* const observer;        // nullptr: nobody looks
  RoutingObserver* const routing;         // likewise
  Profile* const profile;                 // likewise
  Residency* const residency;             // nullptr: all weights are in memory, or mapped
  std::span<const float> adapter_scales;  // beside their own
  Buffers& buffers;
  const Batch& batch;
  cache::PagedKv& cache;

  int64_t rows() const { return static_cast<int64_t>(batch.tokens.size()); }
  // The number that chooses the kernels of products with so many rows.
  int64_t company(int64_t rows) const { return batch.company != 0 ? batch.company : rows; }
  // Of the rows of one sequence, among which a company is divided alike.
  int64_t text_company(int64_t rows) const {
    const int64_t share = batch.company / std::ssize(batch.sequences);
    return batch.company != 0 ? std::max<int64_t>(1, share) : rows;
  }
  const LayerConfig& layer(int l) const { return config.layers[static_cast<size_t>(l)]; }
  const LayerWeights& layer_weights(int l) const { return weights.layers[static_cast<size_t>(l)]; }

  // Of a sequence, in the batch.
  int64_t first_row(size_t sequence) const {
    int64_t row = 0;
    for (size_t s = 0; s < sequence; ++s) row += batch.sequences[s].rows;
    return row;
  }

  // body(t), or body(t, worker), for each of `rows` rows, on all workers.
  template <class Body>
  void each_row(int64_t rows, Body&& body) const {
    const int64_t chunk = std::max<int64_t>(1, rows / (4 * workers.count()));
    workers.for_each(rows, chunk, [&](int64_t begin, int64_t end, int worker) {
      for (int64_t t = begin; t < end; ++t) {
        if constexpr (std::is_invocable_v<Body, int64_t, int>)
          body(t, worker);
        else
          body(t);
      }
    });
  }

  // One row; `out` may be `in`.
  void norm_row(const Norm& norm, const float* in, int64_t columns, float* out) const;
  // Each row of `in` by itself; `out` may be `in`.
  void norm(const Norm& norm, const Matrix<float>& in, const Matrix<float>& out) const;
  // Rows as products read them, and room to prepare them in.
  kernels::Activations activations(const Matrix<float>& rows) const;
  // outs[i] = linears[i] of the rows, biases added; all in one parallel region, unless some read
  // the rows in 8 bits and others in bf16.
  struct Projection {
    const Linear& linear;
    Matrix<float> out;
  };
  void project(const Matrix<float>& rows, std::initializer_list<Projection> projections) const;
  // Adds to projection.out what the adapters of its matrix make of the rows.
  void adapt(const Matrix<float>& rows, const Projection& projection) const;
};

}  // namespace issun::model
