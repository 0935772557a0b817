// AltUp (Baykal et al., 2023, arXiv 2301.13310): several streams flow from layer to layer, of which
// a layer computes with one and corrects the others by what it learned; and LAuReL (Menghani et
// al., 2024, arXiv 2411.07501), a short way past attention. Gemma 3n has both.
#pragma once

#include <span>

#include "model/layer/plan.h"
#include "tensor/tensor.h"

namespace issun::model {

struct Pass;

struct StreamRooms {
  std::span<float> all, predicted;  // (max_rows, streams x embedding)
  std::span<float> modes;           // (max_rows, streams): what the router makes of a row
  std::span<float> mixture;         // (max_rows, streams x streams)
  std::span<float> low, low_way;    // (max_rows, rank), (max_rows, embedding)
  void plan(Plan& plan);
};

// All of these do nothing when there is one stream.
// Makes the streams from the residual.
void open_streams(const Pass& pass);
// The residual becomes what the streams predict for the one that layer l computes with.
void predict_streams(const Pass& pass, int l);
// rooms.low_way from the normed rows that attention reads; add_low_way() then joins it with the
// residual after attention.
void low_way(const Pass& pass, int l, const Matrix<float>& in);
void add_low_way(const Pass& pass);
// Corrects the streams by the residual, which is what layer l computed, and adds its own input.
void correct_streams(const Pass& pass, int l);
// The residual becomes the mean of the streams.
void close_streams(const Pass& pass);

}  // namespace issun::model
