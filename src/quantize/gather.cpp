#include "quantize/gather.h"

#include <cmath>

#include "gguf/expert_names.h"

namespace issun::quantize {

void Stages::see(const Tensor& weights, int expert, const Matrix<const float>& rows) {
  const std::string name = gguf::name_in_stack(weights.name);
  const auto found = stages_.find(name);
  const bool same = rows.data == last_rows_ && expert == last_expert_ && last_ >= 0;
  const int stage = found != stages_.end() ? found->second : same ? last_ : count_++;
  stages_.emplace(name, stage);
  last_ = stage;
  last_expert_ = expert;
  last_rows_ = rows.data;
}

int Stages::of(std::string_view name) const {
  const auto found = stages_.find(gguf::name_in_stack(name));
  return found != stages_.end() ? found->second : -1;
}

bool Gatherer::is_divided(std::string_view name) const {
  return divided_.contains(gguf::name_in_stack(name));
}

void Gatherer::see(const Tensor& weights, int expert, const Matrix<const float>& rows) {
  if (stages_.of(weights.name) != stage_) return;
  Leader& leader = leaders_.try_emplace(expert, Leader{weights.data, rows.data}).first->second;
  if (leader.matrix != weights.data) {
    if (leader.rows != rows.data) divided_.insert(gguf::name_in_stack(weights.name));
    return;
  }
  leader.rows = rows.data;
  Hessian& hessian = hessians_[expert];
  const int64_t n = rows.columns;
  if (hessian.n == 0) {
    hessian.n = n;
    hessian.sums.assign(static_cast<size_t>(n * n), 0);
    hessian.magnitudes.assign(static_cast<size_t>(n), 0);
  }
  hessian.inputs += rows.rows;
  const kernels::Gemm product = {.a = kernels::operand(rows, true),
                                 .b = kernels::operand(rows),
                                 .out = {hessian.sums.data(), n, n},
                                 .accumulate = true};
  kernels::gemm(kernels_, workers_, gemm_, {&product, 1});
  for (int64_t t = 0; t < rows.rows; ++t) {
    for (int64_t i = 0; i < n; ++i)
      hessian.magnitudes[static_cast<size_t>(i)] += std::fabs(rows.row(t)[i]);
  }
}

}  // namespace issun::quantize
