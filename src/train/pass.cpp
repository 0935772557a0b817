#include "train/pass.h"

#include <algorithm>
#include <cstring>

namespace issun::train {

namespace {

Matrix<float> gradient_matrix(float* gradient, const Tensor& like) {
  return {gradient, like.rows(), like.columns()};
}

}  // namespace

void Pass::multiply(const kernels::GemmOperand& a, const kernels::GemmOperand& b,
                    const Matrix<float>& out, bool accumulate) const {
  const kernels::Gemm product{a, b, out, accumulate, precision};
  kernels::gemm(kernels, workers, scratch, std::span(&product, 1));
}

void Pass::project(const Matrix<float>& in, std::initializer_list<Projection> projections) const {
  kernels::Gemm products[4];
  CHECK_THAT(projections.size() <= std::size(products));
  size_t count = 0;
  for (const Projection& p : projections) {
    products[count++] = {kernels::operand(in), kernels::operand(p.linear.weight, true), p.out,
                         false, precision};
  }
  kernels::gemm(kernels, workers, scratch, std::span(products).first(count));
  for (const Projection& p : projections) {
    adapt(in, p);
    if (!p.linear.bias) continue;
    each_row(in.rows, [&](int64_t t) {
      kernels.add(p.out.row(t), p.linear.bias.floats(), p.out.columns, p.out.row(t));
    });
  }
}

void Pass::adapt(const Matrix<float>& in, const Projection& projection) const {
  for (const model::LowRank& adapter : projection.linear.adapters) {
    const Matrix<float> inner = view(rooms.adapter_inner, in.rows, adapter.a.rows());
    multiply(kernels::operand(in), kernels::operand(adapter.a, true), inner, false);
    kernels.scale(inner.data, adapter.scale, inner.rows * inner.columns, inner.data);
    multiply(kernels::operand(inner), kernels::operand(adapter.b, true), projection.out, true);
  }
}

void Pass::adapt_back(const model::LowRank& adapter, const Matrix<float>& in,
                      const Matrix<float>& d_out, const Matrix<float>& d_in) const {
  const Matrix<float> inner = view(rooms.adapter_inner, in.rows, adapter.a.rows());
  const Matrix<float> d_inner = view(rooms.d_adapter_inner, in.rows, adapter.a.rows());
  if (float* d_b = parameters.gradient(adapter.b)) {
    multiply(kernels::operand(in), kernels::operand(adapter.a, true), inner, false);
    kernels.scale(inner.data, adapter.scale, inner.rows * inner.columns, inner.data);
    multiply(kernels::operand(d_out, true), kernels::operand(inner),
             gradient_matrix(d_b, adapter.b), true);
  }
  multiply(kernels::operand(d_out), kernels::operand(adapter.b), d_inner, false);
  kernels.scale(d_inner.data, adapter.scale, d_inner.rows * d_inner.columns, d_inner.data);
  if (float* d_a = parameters.gradient(adapter.a)) {
    multiply(kernels::operand(d_inner, true), kernels::operand(in), gradient_matrix(d_a, adapter.a),
             true);
  }
  multiply(kernels::operand(d_inner), kernels::operand(adapter.a), d_in, true);
}

void Pass::project_back(const model::Linear& linear, const Matrix<float>& in,
                        const Matrix<float>& d_out, const Matrix<float>& d_in,
                        bool accumulate) const {
  if (float* d_weight = parameters.gradient(linear.weight)) {
    multiply(kernels::operand(d_out, true), kernels::operand(in),
             gradient_matrix(d_weight, linear.weight), true);
  }
  if (float* d_bias = parameters.gradient(linear.bias)) add_column_sums(d_out, d_bias);
  multiply(kernels::operand(d_out), kernels::operand(linear.weight), d_in, accumulate);
  for (const model::LowRank& adapter : linear.adapters) adapt_back(adapter, in, d_out, d_in);
}

void Pass::norm(const model::Norm& norm, const Matrix<float>& in, const Matrix<float>& out) const {
  const int n = static_cast<int>(in.columns);
  const float epsilon = static_cast<float>(config.norm_epsilon);
  const float* gains = norm.gains ? norm.gains.floats() : nullptr;
  const float* bias = norm.bias ? norm.bias.floats() : nullptr;
  each_row(in.rows, [&](int64_t t) {
    if (config.norm == model::NormKind::Layer) {
      kernels.layer_norm(in.row(t), gains, bias, n, epsilon, out.row(t));
    } else {
      kernels.rms_norm(in.row(t), gains, n, epsilon, out.row(t));
      if (bias != nullptr) kernels.add(out.row(t), bias, n, out.row(t));
    }
  });
}

void Pass::norm_back(const model::Norm& norm, const Matrix<float>& in, const Matrix<float>& d_out,
                     const Matrix<float>& d_in) const {
  const int n = static_cast<int>(in.columns);
  const float epsilon = static_cast<float>(config.norm_epsilon);
  const float* gains = norm.gains ? norm.gains.floats() : nullptr;
  float* d_gains = parameters.gradient(norm.gains);
  float* d_bias = parameters.gradient(norm.bias);
  const int64_t part_rows = (in.rows + kPartialSums - 1) / kPartialSums;
  workers.for_each(kPartialSums, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t part = begin; part < end; ++part) {
      float* part_gains = d_gains != nullptr ? rooms.partial_gains.data() + part * n : nullptr;
      float* part_bias = d_bias != nullptr ? rooms.partial_bias.data() + part * n : nullptr;
      for (float* sums : {part_gains, part_bias}) {
        if (sums != nullptr) std::memset(sums, 0, static_cast<size_t>(n) * sizeof(float));
      }
      const int64_t last = std::min(in.rows, (part + 1) * part_rows);
      for (int64_t t = part * part_rows; t < last; ++t) {
        if (config.norm == model::NormKind::Layer) {
          kernels.layer_norm_backward(in.row(t), gains, d_out.row(t), n, epsilon, d_in.row(t),
                                      part_gains, part_bias);
        } else {
          kernels.rms_norm_backward(in.row(t), gains, d_out.row(t), n, epsilon, d_in.row(t),
                                    part_gains);
          if (part_bias != nullptr) kernels.add(part_bias, d_out.row(t), n, part_bias);
        }
      }
    }
  });
  for (int64_t part = 0; part < kPartialSums; ++part) {
    if (d_gains != nullptr) {
      kernels.add(d_gains, rooms.partial_gains.data() + part * n, n, d_gains);
    }
    if (d_bias != nullptr) kernels.add(d_bias, rooms.partial_bias.data() + part * n, n, d_bias);
  }
}

void Pass::add_column_sums(const Matrix<float>& rows, float* sums) const {
  constexpr int64_t kColumns = 64;
  const int64_t chunks = (rows.columns + kColumns - 1) / kColumns;
  workers.for_each(chunks, 1, [&](int64_t begin, int64_t end, int) {
    const int64_t first = begin * kColumns, last = std::min(rows.columns, end * kColumns);
    for (int64_t t = 0; t < rows.rows; ++t) {
      kernels.add(sums + first, rows.row(t) + first, last - first, sums + first);
    }
  });
}

void Pass::add_scaled(const Matrix<float>& rows, double factor, const Matrix<float>& sum) const {
  each_row(rows.rows, [&](int64_t t) {
    kernels.add_scaled(rows.row(t), static_cast<float>(factor), rows.columns, sum.row(t));
  });
}

}  // namespace issun::train
