// Work on single rows: norms, activations, softmax, rotations.
#pragma once

#include "kernels/formats.inl"

namespace issun::kernels {
namespace {

// body(i, n) for lanes [i, i + 16) in whole vectors, and once with n < 16 for what remains.
template <class Body>
__attribute__((always_inline)) inline void for_vectors(int64_t n, Body&& body) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) body(i, 16);
  if (i < n) body(i, static_cast<int>(n - i));
}
inline F32x16 load_some(const float* p, int n) { return n == 16 ? load(p) : load_first(p, n); }
inline void store_some(float* p, F32x16 a, int n) {
  if (n == 16)
    store(p, a);
  else
    store_first(p, a, n);
}

// e^x within 2 units in the last place; 0 below -87.3, largest at 88.4; NaN stays.
inline F32x16 exp(F32x16 x) {
  const F32x16 lowest = splat(-87.3f);
  const F32x16 clamped = min(splat(88.37f), max(lowest, x));
  const I32x16 n = round_to_i32(mul(clamped, splat(1.44269504f)));
  const F32x16 whole = to_f32(n);
  // ln 2 in two parts, the first with few enough bits that its product is exact.
  F32x16 r = fnma(whole, splat(0.693359375f), clamped);
  r = fnma(whole, splat(-2.12194440e-4f), r);
  F32x16 p = splat(1.0f / 5040);
  p = fma(p, r, splat(1.0f / 720));
  p = fma(p, r, splat(1.0f / 120));
  p = fma(p, r, splat(1.0f / 24));
  p = fma(p, r, splat(1.0f / 6));
  p = fma(p, r, splat(0.5f));
  p = fma(p, r, splat(1.0f));
  p = fma(p, r, splat(1.0f));
  const F32x16 power = as_f32(shift_left(add(n, splat(127)), 23));
  return zero_where_below(x, lowest, mul(p, power));
}
inline F32x16 sigmoid(F32x16 x) {
  return div(splat(1.0f), add(splat(1.0f), exp(sub(zero_f32(), x))));
}
inline F32x16 tanh(F32x16 x) {
  const F32x16 e = exp(mul(x, splat(2.0f)));
  return sub(splat(1.0f), div(splat(2.0f), add(e, splat(1.0f))));
}

void rms_norm(const float* x, const float* weight, int n, float epsilon, float* out) {
  F32x16 squares = zero_f32();
  for_vectors(n, [&](int64_t i, int lanes) {
    const F32x16 a = load_some(x + i, lanes);
    squares = fma(a, a, squares);
  });
  const F32x16 factor =
      splat(1.0f / __builtin_sqrtf(sum(squares) / static_cast<float>(n) + epsilon));
  for_vectors(n, [&](int64_t i, int lanes) {
    F32x16 a = mul(load_some(x + i, lanes), factor);
    if (weight != nullptr) a = mul(a, load_some(weight + i, lanes));
    store_some(out + i, a, lanes);
  });
}

void layer_norm(const float* x, const float* weight, const float* bias, int n, float epsilon,
                float* out) {
  F32x16 total = zero_f32(), squares = zero_f32();
  for_vectors(n, [&](int64_t i, int lanes) { total = add(total, load_some(x + i, lanes)); });
  const F32x16 mean = splat(sum(total) / static_cast<float>(n));
  for_vectors(n, [&](int64_t i, int lanes) {
    const F32x16 a = choose_range(0, lanes, sub(load_some(x + i, lanes), mean), zero_f32());
    squares = fma(a, a, squares);
  });
  const F32x16 factor =
      splat(1.0f / __builtin_sqrtf(sum(squares) / static_cast<float>(n) + epsilon));
  for_vectors(n, [&](int64_t i, int lanes) {
    F32x16 a = mul(sub(load_some(x + i, lanes), mean), factor);
    if (weight != nullptr) a = mul(a, load_some(weight + i, lanes));
    if (bias != nullptr) a = add(a, load_some(bias + i, lanes));
    store_some(out + i, a, lanes);
  });
}

void add(const float* a, const float* b, int64_t n, float* out) {
  for_vectors(n, [&](int64_t i, int lanes) {
    store_some(out + i, add(load_some(a + i, lanes), load_some(b + i, lanes)), lanes);
  });
}
void mul(const float* a, const float* b, int64_t n, float* out) {
  for_vectors(n, [&](int64_t i, int lanes) {
    store_some(out + i, mul(load_some(a + i, lanes), load_some(b + i, lanes)), lanes);
  });
}
void scale(const float* a, float factor, int64_t n, float* out) {
  for_vectors(n, [&](int64_t i, int lanes) {
    store_some(out + i, mul(load_some(a + i, lanes), splat(factor)), lanes);
  });
}
void add_scaled(const float* a, float factor, int64_t n, float* total) {
  for_vectors(n, [&](int64_t i, int lanes) {
    store_some(total + i, fma(load_some(a + i, lanes), splat(factor), load_some(total + i, lanes)),
               lanes);
  });
}

void silu_mul(const float* gate, const float* up, int64_t n, float* out) {
  for_vectors(n, [&](int64_t i, int lanes) {
    const F32x16 x = load_some(gate + i, lanes);
    F32x16 a = mul(x, sigmoid(x));
    if (up != nullptr) a = mul(a, load_some(up + i, lanes));
    store_some(out + i, a, lanes);
  });
}
// 0.5 (1 + tanh(y)) = sigmoid(2 y)
void gelu_mul(const float* gate, const float* up, int64_t n, float* out) {
  const F32x16 slope = splat(2 * 0.7978845608f), cubic = splat(0.044715f), one = splat(1.0f);
  for_vectors(n, [&](int64_t i, int lanes) {
    const F32x16 x = load_some(gate + i, lanes);
    const F32x16 y = mul(mul(slope, x), fma(mul(cubic, x), x, one));
    F32x16 a = mul(x, sigmoid(y));
    if (up != nullptr) a = mul(a, load_some(up + i, lanes));
    store_some(out + i, a, lanes);
  });
}

void soft_cap(float* x, int64_t n, float softcap) {
  const F32x16 cap = splat(softcap), inverse = splat(1 / softcap);
  for_vectors(n, [&](int64_t i, int lanes) {
    store_some(x + i, mul(cap, tanh(mul(load_some(x + i, lanes), inverse))), lanes);
  });
}

void softmax(float* x, int n) {
  const F32x16 lowest = splat(-__builtin_inff());
  F32x16 top = lowest, total = zero_f32();
  for_vectors(n, [&](int64_t i, int lanes) {
    top = max(top, choose_range(0, lanes, load_some(x + i, lanes), lowest));
  });
  const F32x16 offset = splat(largest(top));
  for_vectors(n, [&](int64_t i, int lanes) {
    const F32x16 e = choose_range(0, lanes, exp(sub(load_some(x + i, lanes), offset)), zero_f32());
    total = add(total, e);
    store_some(x + i, e, lanes);
  });
  scale(x, 1 / sum(total), n, x);
}

void rope_neighbours(float* x, const float* cosines, const float* sines, int pairs) {
  for (int i = 0; i < pairs; ++i) {
    const float a = x[2 * i], b = x[2 * i + 1];
    x[2 * i] = a * cosines[i] - b * sines[i];
    x[2 * i + 1] = a * sines[i] + b * cosines[i];
  }
}
void rope_halves(float* x, const float* cosines, const float* sines, int pairs) {
  for_vectors(pairs, [&](int64_t i, int lanes) {
    const F32x16 a = load_some(x + i, lanes), b = load_some(x + pairs + i, lanes);
    const F32x16 cosine = load_some(cosines + i, lanes), sine = load_some(sines + i, lanes);
    store_some(x + i, sub(mul(a, cosine), mul(b, sine)), lanes);
    store_some(x + pairs + i, add(mul(a, sine), mul(b, cosine)), lanes);
  });
}

float dot(const float* a, const float* b, int n) {
  F32x16 total = zero_f32();
  for_vectors(n, [&](int64_t i, int lanes) {
    total = fma(load_some(a + i, lanes), load_some(b + i, lanes), total);
  });
  return sum(total);
}

int argmax(const float* x, int n) {
  F32x16 top = splat(-__builtin_inff());
  // NaN as the first operand loses.
  for_vectors(n, [&](int64_t i, int lanes) {
    top = max(choose_range(0, lanes, load_some(x + i, lanes), top), top);
  });
  const float best = largest(top);
  for (int i = 0; i < n; ++i)
    if (x[i] == best) return i;
  return 0;
}

}  // namespace
}  // namespace issun::kernels
