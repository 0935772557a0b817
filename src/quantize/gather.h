// The Hessians of a layer's matrices, gathered while it runs.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "kernels/gemm.h"
#include "model/observer.h"
#include "quantize/feedback.h"

namespace issun::quantize {

// Which matrices of a layer read the same rows, in the order in which a pass comes by. Matrices
// whose rows depend on others are in a later stage than these. Experts in tensors of their own are
// in the stage that their stack would be in.
class Stages final : public model::ProductObserver {
 public:
  void see(const Tensor& weights, int expert, const Matrix<const float>& rows) override;
  int count() const { return count_; }
  // -1: not seen.
  int of(std::string_view name) const;

 private:
  std::map<std::string, int, std::less<>> stages_;
  int count_ = 0, last_ = -1, last_expert_ = -1;
  const float* last_rows_ = nullptr;
};

// Sums x x^T for the matrices of one stage; those that read the same rows share it.
class Gatherer final : public model::ProductObserver {
 public:
  Gatherer(const Stages& stages, int stage, const kernels::KernelTable& kernels, Workers& workers,
           const kernels::GemmScratch& gemm)
      : stages_(stages), stage_(stage), kernels_(kernels), workers_(workers), gemm_(gemm) {}
  void see(const Tensor& weights, int expert, const Matrix<const float>& rows) override;
  // By expert, or -1. Not finished.
  std::map<int, Hessian>& hessians() { return hessians_; }
  // Whether parts of this matrix read other rows than the rest of the stage: no Hessian is its.
  bool is_divided(std::string_view name) const;

 private:
  const Stages& stages_;
  const int stage_;
  const kernels::KernelTable& kernels_;
  Workers& workers_;
  const kernels::GemmScratch& gemm_;
  std::map<int, Hessian> hessians_;
  // Of each expert, the matrix whose rows are summed, and these rows.
  struct Leader {
    const std::byte* matrix;
    const float* rows;
  };
  std::map<int, Leader> leaders_;
  std::set<std::string, std::less<>> divided_;
};

}  // namespace issun::quantize
