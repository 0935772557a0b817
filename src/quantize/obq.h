// Optimal brain quantisation (Frantar and Alistarh, 2022, arXiv 2208.11580), as written: one row,
// one value at a time, the inverse Hessian kept up by elimination. Cubic in the columns for each
// row: the oracle of feedback.h on small layers, not a way to quantise models.
#pragma once

#include <functional>
#include <span>
#include <vector>

namespace issun::quantize {

struct Obq {
  std::vector<float> values;  // (n): what the weights became
  std::vector<int> order;     // in which they were rounded
  double error = 0;           // e H e^T
};

// hessian: (n, n), positive definite. nearest(i, x): the value nearest to x that column i can have.
// order: (n) columns, or empty: greedy, always the one whose rounding costs least; but one that is
// off by more than half a step, since no code reaches it, at once, before it gets worse.
// half_steps: (n), or empty: none is.
struct ObqOrder {
  std::span<const int> order = {};
  std::span<const float> half_steps = {};
};
Obq quantise_by_obq(std::span<const float> weights, std::span<const float> hessian,
                    const ObqOrder& order, const std::function<float(int i, float x)>& nearest);

}  // namespace issun::quantize
