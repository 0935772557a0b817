// What layers do that carry a state from token to token: a short convolution, and a matrix that
// decays and takes in one key and value a token. Tokens come one after the other, so that the bits
// do not depend on how a text is cut.
#pragma once

#include "kernels/rows.inl"

namespace issun::kernels {
namespace {

// ln(1 + e^x) = max(x, 0) + ln(1 + e) with e = e^-|x|, and ln(1 + e) = 2 artanh(e / (2 + e)): with
// an argument up to 1/3 eight terms reach 2e-9.
inline F32x16 softplus(F32x16 x) {
  const F32x16 e = exp(sub(zero_f32(), abs(x)));
  const F32x16 s = div(e, add(splat(2.0f), e)), z = mul(s, s);
  F32x16 p = splat(1.0f / 15);
  p = fma(p, z, splat(1.0f / 13));
  p = fma(p, z, splat(1.0f / 11));
  p = fma(p, z, splat(1.0f / 9));
  p = fma(p, z, splat(1.0f / 7));
  p = fma(p, z, splat(1.0f / 5));
  p = fma(p, z, splat(1.0f / 3));
  p = fma(p, z, splat(1.0f));
  return fma(add(s, s), p, max(x, zero_f32()));
}

void step_and_decay(const float* x, const float* bias, const float* rate, int n, float* step,
                    float* decay) {
  for_vectors(n, [&](int64_t i, int lanes) {
    const F32x16 s = softplus(add(load_some(x + i, lanes), load_some(bias + i, lanes)));
    store_some(step + i, s, lanes);
    store_some(decay + i, exp(mul(s, load_some(rate + i, lanes))), lanes);
  });
}

void sigmoid_mul(const float* gate, const float* up, int64_t n, float* out) {
  for_vectors(n, [&](int64_t i, int lanes) {
    F32x16 a = sigmoid(load_some(gate + i, lanes));
    if (up != nullptr) a = mul(a, load_some(up + i, lanes));
    store_some(out + i, a, lanes);
  });
}

void l2_norm(const float* x, int n, float epsilon, float factor, float* out) {
  const float length = __builtin_sqrtf(dot(x, x, n));
  scale(x, factor / (length > epsilon ? length : epsilon), n, out);
}

// Sixteen channels at most, all tokens: what the next token needs stays in registers.
template <int kTaps>
void convolve_channels(const ConvolutionTask& task, int64_t c, int lanes) {
  F32x16 taps[kTaps], past[kTaps - 1];
  alignas(64) float columns[kTaps][16] = {};
  for (int i = 0; i < lanes; ++i)
    for (int j = 0; j < kTaps; ++j) columns[j][i] = task.taps[(c + i) * kTaps + j];
  for (int j = 0; j < kTaps; ++j) taps[j] = load(columns[j]);
  for (int j = 0; j < kTaps - 1; ++j)
    past[j] = load_some(task.past + j * task.past_stride + c, lanes);
  const F32x16 bias = task.bias != nullptr ? load_some(task.bias + c, lanes) : zero_f32();
  for (int t = 0; t < task.tokens; ++t) {
    const F32x16 x = load_some(task.in + t * task.in_stride + c, lanes);
    F32x16 sum = bias;
    for (int j = 0; j < kTaps - 1; ++j) sum = fma(taps[j], past[j], sum);
    sum = fma(taps[kTaps - 1], x, sum);
    if (task.silu) sum = mul(sum, sigmoid(sum));
    store_some(task.out + t * task.out_stride + c, sum, lanes);
    for (int j = 0; j + 1 < kTaps - 1; ++j) past[j] = past[j + 1];
    past[kTaps - 2] = x;
  }
  for (int j = 0; j < kTaps - 1; ++j)
    store_some(task.past + j * task.past_stride + c, past[j], lanes);
}

void convolution(const ConvolutionTask* task) {
  for_vectors(task->channels, [&](int64_t c, int lanes) {
    if (task->tap_count == 2) {
      convolve_channels<2>(*task, c, lanes);
    } else if (task->tap_count == 3) {
      convolve_channels<3>(*task, c, lanes);
    } else {
      convolve_channels<4>(*task, c, lanes);
    }
  });
}

// Columns of the state that fit into kVectors, the last of `lanes` numbers: independent of all
// others, so every token is done before the next columns are.
template <bool kCorrects, int kVectors>
void recur_columns(const RecurrenceTask& task, int column, int lanes) {
  for (int t = 0; t < task.tokens; ++t) {
    const float* key = task.keys + t * task.key_stride;
    const float* query = task.queries + t * task.key_stride;
    const F32x16 decay = splat(task.decay[t * task.rate_stride]);
    const F32x16 rate = splat(task.rate[t * task.rate_stride]);
    float* state = task.state + column;
    F32x16 value[kVectors], taken[kVectors], read[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      value[v] = load_some(task.values + t * task.value_stride + column + 16 * v, lanes);
      taken[v] = value[v];
      read[v] = zero_f32();
    }
    if constexpr (kCorrects) {
      F32x16 held[kVectors];
      for (int v = 0; v < kVectors; ++v) held[v] = zero_f32();
      for (int k = 0; k < task.key_width; ++k)
        for (int v = 0; v < kVectors; ++v)
          held[v] =
              fma(splat(key[k]), load_some(state + k * task.value_width + 16 * v, lanes), held[v]);
      for (int v = 0; v < kVectors; ++v) taken[v] = fnma(decay, held[v], taken[v]);
    }
    for (int v = 0; v < kVectors; ++v) taken[v] = mul(rate, taken[v]);
    for (int k = 0; k < task.key_width; ++k) {
      const F32x16 key_k = splat(key[k]), query_k = splat(query[k]);
      for (int v = 0; v < kVectors; ++v) {
        float* place = state + k * task.value_width + 16 * v;
        const F32x16 s = fma(key_k, taken[v], mul(decay, load_some(place, lanes)));
        store_some(place, s, lanes);
        read[v] = fma(query_k, s, read[v]);
      }
    }
    for (int v = 0; v < kVectors; ++v)
      store_some(task.out + t * task.out_stride + column + 16 * v,
                 fma(splat(task.skip), value[v], read[v]), lanes);
  }
}

template <bool kCorrects>
void recur(const RecurrenceTask& task) {
  int column = 0;
  for (; column + 32 <= task.value_width; column += 32)
    recur_columns<kCorrects, 2>(task, column, 16);
  for (; column < task.value_width; column += 16) {
    const int left = task.value_width - column;
    recur_columns<kCorrects, 1>(task, column, left < 16 ? left : 16);
  }
}

void recurrence(const RecurrenceTask* task) {
  if (task->corrects) {
    recur<true>(*task);
  } else {
    recur<false>(*task);
  }
}

}  // namespace
}  // namespace issun::kernels
