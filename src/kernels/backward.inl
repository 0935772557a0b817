// Gradients of single rows, and what a training step does to its parameters.
#pragma once

#include "kernels/kernels.h"
#include "kernels/rows.inl"

namespace issun::kernels {
namespace {

inline void add_to(float* p, F32x16 a, int lanes) {
  store_some(p, add(load_some(p, lanes), a), lanes);
}
inline F32x16 weighted(const float* dout, const float* weight, int64_t i, int lanes) {
  const F32x16 d = load_some(dout + i, lanes);
  return weight == nullptr ? d : mul(d, load_some(weight + i, lanes));
}

// With r = 1 / sqrt(mean(x^2) + epsilon) and g = weight * dout: dx = r g - r^3 x mean(g x).
void rms_norm_backward(const float* x, const float* weight, const float* dout, int n, float epsilon,
                       float* dx, float* dweight) {
  F32x16 squares = zero_f32(), products = zero_f32();
  for_vectors(n, [&](int64_t i, int lanes) {
    const F32x16 a = load_some(x + i, lanes);
    squares = fma(a, a, squares);
    products = fma(weighted(dout, weight, i, lanes), a, products);
  });
  const float mean = static_cast<float>(n);
  const float r = 1.0f / __builtin_sqrtf(sum(squares) / mean + epsilon);
  const F32x16 factor = splat(r), along = splat(r * r * r * sum(products) / mean);
  for_vectors(n, [&](int64_t i, int lanes) {
    const F32x16 a = load_some(x + i, lanes);
    add_to(dx + i, fnma(along, a, mul(factor, weighted(dout, weight, i, lanes))), lanes);
    if (dweight != nullptr)
      add_to(dweight + i, mul(mul(a, factor), load_some(dout + i, lanes)), lanes);
  });
}

// With h = (x - mean) r and g = weight * dout: dx = r (g - mean(g) - h mean(g h)).
void layer_norm_backward(const float* x, const float* weight, const float* dout, int n,
                         float epsilon, float* dx, float* dweight, float* dbias) {
  const float count = static_cast<float>(n);
  F32x16 total = zero_f32(), total_g = zero_f32();
  for_vectors(n, [&](int64_t i, int lanes) {
    total = add(total, load_some(x + i, lanes));
    total_g = add(total_g, weighted(dout, weight, i, lanes));
  });
  const F32x16 mean = splat(sum(total) / count), mean_g = splat(sum(total_g) / count);
  F32x16 squares = zero_f32(), products = zero_f32();
  for_vectors(n, [&](int64_t i, int lanes) {
    const F32x16 a = choose_range(0, lanes, sub(load_some(x + i, lanes), mean), zero_f32());
    squares = fma(a, a, squares);
    products = fma(weighted(dout, weight, i, lanes), a, products);
  });
  const float r = 1.0f / __builtin_sqrtf(sum(squares) / count + epsilon);
  const F32x16 factor = splat(r), along = splat(r * sum(products) / count);
  for_vectors(n, [&](int64_t i, int lanes) {
    const F32x16 h = mul(sub(load_some(x + i, lanes), mean), factor);
    const F32x16 g = sub(weighted(dout, weight, i, lanes), mean_g);
    add_to(dx + i, mul(factor, fnma(h, along, g)), lanes);
    const F32x16 d = load_some(dout + i, lanes);
    if (dweight != nullptr) add_to(dweight + i, mul(h, d), lanes);
    if (dbias != nullptr) add_to(dbias + i, d, lanes);
  });
}

// out = activation(gate) * up, given by what activate(x, &slope) returns and its slope at x.
template <class Activation>
__attribute__((always_inline)) inline void gate_backward(const float* gate, const float* up,
                                                         const float* dout, int64_t n, float* dgate,
                                                         float* dup, Activation&& activate) {
  for_vectors(n, [&](int64_t i, int lanes) {
    F32x16 slope, d = load_some(dout + i, lanes);
    const F32x16 activated = activate(load_some(gate + i, lanes), &slope);
    const F32x16 d_up = mul(d, activated);
    if (up != nullptr) d = mul(d, load_some(up + i, lanes));
    store_some(dgate + i, mul(d, slope), lanes);
    if (up != nullptr) store_some(dup + i, d_up, lanes);
  });
}

void silu_mul_backward(const float* gate, const float* up, const float* dout, int64_t n,
                       float* dgate, float* dup) {
  const F32x16 one = splat(1.0f);
  gate_backward(gate, up, dout, n, dgate, dup, [&](F32x16 x, F32x16* slope) {
    const F32x16 s = sigmoid(x), activated = mul(x, s);
    *slope = fma(activated, sub(one, s), s);
    return activated;
  });
}
// With y(x) the polynomial of gelu_mul: (x sigmoid(y))' = s + x s (1 - s) y'.
void gelu_mul_backward(const float* gate, const float* up, const float* dout, int64_t n,
                       float* dgate, float* dup) {
  const F32x16 slope_at_0 = splat(2 * 0.7978845608f), cubic = splat(0.044715f), one = splat(1.0f);
  const F32x16 triple = splat(3 * 0.044715f);
  gate_backward(gate, up, dout, n, dgate, dup, [&](F32x16 x, F32x16* slope) {
    const F32x16 y = mul(mul(slope_at_0, x), fma(mul(cubic, x), x, one));
    const F32x16 dy = mul(slope_at_0, fma(mul(triple, x), x, one));
    const F32x16 s = sigmoid(y), activated = mul(x, s);
    *slope = fma(mul(activated, sub(one, s)), dy, s);
    return activated;
  });
}

float log_sum_exp(const float* x, int n) {
  const F32x16 lowest = splat(-__builtin_inff());
  F32x16 top = lowest, total = zero_f32();
  for_vectors(n, [&](int64_t i, int lanes) {
    top = max(top, choose_range(0, lanes, load_some(x + i, lanes), lowest));
  });
  const float highest = largest(top);
  if (__builtin_isinf(highest)) return highest;
  const F32x16 offset = splat(highest);
  for_vectors(n, [&](int64_t i, int lanes) {
    const F32x16 e = exp(sub(load_some(x + i, lanes), offset));
    total = add(total, choose_range(0, lanes, e, zero_f32()));
  });
  return highest + __builtin_logf(sum(total));
}

void exp_shifted(const float* x, int64_t n, float scale, float shift, float* out) {
  const F32x16 factor = splat(scale), offset = splat(-shift);
  for_vectors(n, [&](int64_t i, int lanes) {
    store_some(out + i, exp(fma(load_some(x + i, lanes), factor, offset)), lanes);
  });
}

void softmax_backward(const float* p, const float* slope, float total, int n, float* out) {
  const F32x16 mean = splat(total);
  for_vectors(n, [&](int64_t i, int lanes) {
    store_some(out + i, mul(load_some(p + i, lanes), sub(load_some(slope + i, lanes), mean)),
               lanes);
  });
}

void adamw(float* params, const float* grads, float* first, float* second, int64_t n,
           const AdamwStep* step) {
  const F32x16 scale = splat(step->grad_scale), epsilon = splat(step->epsilon);
  const F32x16 beta1 = splat(step->beta1), beta2 = splat(step->beta2);
  const F32x16 rest1 = splat(1 - step->beta1), rest2 = splat(1 - step->beta2);
  const F32x16 rate = splat(step->learning_rate / step->correction1);
  const F32x16 correction = splat(1 / step->correction2);
  const F32x16 kept = splat(1 - step->learning_rate * step->weight_decay);
  for_vectors(n, [&](int64_t i, int lanes) {
    const F32x16 g = mul(load_some(grads + i, lanes), scale);
    const F32x16 m = fma(beta1, load_some(first + i, lanes), mul(rest1, g));
    const F32x16 v = fma(beta2, load_some(second + i, lanes), mul(mul(rest2, g), g));
    const F32x16 size = add(sqrt(mul(v, correction)), epsilon);
    const F32x16 p = mul(kept, load_some(params + i, lanes));
    store_some(first + i, m, lanes);
    store_some(second + i, v, lanes);
    store_some(params + i, fnma(rate, div(m, size), p), lanes);
  });
}

// Pieces are added up in F32, and their sums in double.
double sum_squares(const float* x, int64_t n) {
  constexpr int64_t kPiece = 4096;
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += kPiece) {
    F32x16 squares = zero_f32();
    for_vectors(n - begin < kPiece ? n - begin : kPiece, [&](int64_t i, int lanes) {
      const F32x16 a = load_some(x + begin + i, lanes);
      squares = fma(a, a, squares);
    });
    total += static_cast<double>(sum(squares));
  }
  return total;
}

}  // namespace
}  // namespace issun::kernels
