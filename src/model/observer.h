// Sees what the matrices of a network are multiplied with (importance, Hessians, ranges), and which
// experts its routers choose.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/tensor.h"

namespace issun::model {

class ProductObserver {
 public:
  virtual ~ProductObserver() = default;
  // `rows` (tokens, weights.columns()) are about to be multiplied by `weights`, from the thread
  // that runs the pass; the workers are idle. `expert`: which one of the stack of that name, or -1.
  // Several matrices that read the same rows are seen one after the other with the same rows.data.
  virtual void see(const Tensor& weights, int expert, const Matrix<const float>& rows) = 0;
};

class RoutingObserver {
 public:
  virtual ~RoutingObserver() = default;
  // The mixture of layer `layer` chose (tokens, used) experts, the best first of each token.
  virtual void routed(int layer, int used, std::span<const int32_t> chosen) = 0;
  // How many mixtures ahead it wants to see what would be guessed; of batches of up to
  // kMostGuessedRows tokens.
  virtual int lookahead() const { return 0; }
  // What `distance` mixtures before layer `layer` was expected there of the batch's first token,
  // (used) experts, the likeliest first.
  virtual void guessed(int layer, int distance, std::span<const int32_t> experts) {
    (void)layer, (void)distance, (void)experts;
  }
};

}  // namespace issun::model
