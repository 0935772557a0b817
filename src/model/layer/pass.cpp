#include "model/layer/pass.h"

namespace issun::model {

void Pass::norm_row(const Norm& norm, const float* in, int64_t columns, float* out) const {
  const int n = static_cast<int>(columns);
  const float epsilon = static_cast<float>(config.norm_epsilon);
  const float* gains = norm.gains ? norm.gains.floats() : nullptr;
  const float* bias = norm.bias ? norm.bias.floats() : nullptr;
  if (config.norm == NormKind::Layer) {
    kernels.layer_norm(in, gains, bias, n, epsilon, out);
    return;
  }
  kernels.rms_norm(in, gains, n, epsilon, out);
  if (bias != nullptr) kernels.add(out, bias, n, out);
}

void Pass::norm(const Norm& norm, const Matrix<float>& in, const Matrix<float>& out) const {
  const Timed timed(profile, Step::Norms);
  each_row(in.rows, [&](int64_t t) { norm_row(norm, in.row(t), in.columns, out.row(t)); });
}

kernels::Activations Pass::activations(const Matrix<float>& rows) const {
  kernels::Activations activations;
  activations.rows = {rows.data, rows.rows, rows.columns, rows.stride};
  activations.prepared = buffers.prepared.data();
  return activations;
}

void Pass::project(const Matrix<float>& rows, std::initializer_list<Projection> projections) const {
  CHECK_THAT(projections.size() <= kernels::kMostProducts);
  kernels::Product products[kernels::kMostProducts];
  kernels::Activations prepared = activations(rows);
  const int64_t tokens = company(rows.rows);
  size_t count = 0;
  const auto multiply = [&] {
    const Timed timed = Timed::product(profile);
    kernels::linear(kernels, workers, scratch, prepared, std::span(products).first(count), exact,
                    tokens);
    count = 0;
  };
  for (const Projection& p : projections) {
    const auto form = kernels::form_for(kernels, p.linear.weight.type, exact, tokens);
    if (!kernels::goes_with(form, prepared.form)) {  // matrices of one input, in types of two forms
      multiply();
      prepared.form = kernels::ActivationForm::Floats;
    }
    products[count++] = {p.linear.weight, p.out};
    if (observer != nullptr) observer->see(p.linear.weight, -1, prepared.rows);
    const Timed timed(profile, Step::Rounding);
    kernels::prepare(kernels, workers, form, prepared);
  }
  multiply();
  for (const Projection& p : projections) {
    adapt(rows, p);
    if (!p.linear.bias) continue;
    each_row(rows.rows, [&](int64_t t) {
      kernels.add(p.out.row(t), p.linear.bias.floats(), p.out.columns, p.out.row(t));
    });
  }
}

void Pass::adapt(const Matrix<float>& rows, const Projection& projection) const {
  const auto multiply = [&](const Matrix<float>& in, const Tensor& matrix,
                            const Matrix<float>& out) {
    kernels::Activations activations;
    activations.rows = {in.data, in.rows, in.columns, in.stride};
    const kernels::Product product{matrix, out};
    kernels::linear(kernels, workers, scratch, activations, std::span(&product, 1), true,
                    company(in.rows));
  };
  for (const LowRank& adapter : projection.linear.adapters) {
    const float scale = adapter.scale * adapter_scales[static_cast<size_t>(adapter.adapter)];
    if (scale == 0) continue;
    const Matrix<float> inner = view(buffers.adapter_inner, rows.rows, adapter.a.rows());
    const Matrix<float> outer = view(buffers.adapter_outer, rows.rows, projection.out.columns);
    multiply(rows, adapter.a, inner);
    multiply(inner, adapter.b, outer);
    each_row(rows.rows, [&](int64_t t) {
      kernels.add_scaled(outer.row(t), scale, outer.columns, projection.out.row(t));
    });
  }
}

}  // namespace issun::model
