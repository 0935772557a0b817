// Multi-head latent attention (DeepSeek-V2, 2024, arXiv 2405.04434): the cache holds one short row
// a position, of which each head makes its keys and values. Computed in the absorbed form: queries
// go to where the rows are, and only what was attended comes back to the heads.
#pragma once

#include <span>

#include "model/layer/plan.h"
#include "tensor/tensor.h"

namespace issun::model {

struct Pass;

struct LatentRooms {
  std::span<float> low;    // (max_rows, query_rank)
  std::span<float> query;  // (max_rows, heads x (plain + rotated width))
  std::span<float> out;    // (max_rows, heads x value_width)
  void plan(Plan& plan);
};

// (rows, embedding) -> (rows, embedding)
void latent_attention(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& out);

}  // namespace issun::model
