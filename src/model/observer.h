// Sees what the matrices of a network are multiplied with: importance, Hessians, ranges.
#pragma once

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

}  // namespace issun::model
