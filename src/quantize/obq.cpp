#include "quantize/obq.h"

#include <cmath>

#include "base/check.h"

namespace issun::quantize {

namespace {

// Gauss and Jordan, without pivots: the matrix is positive definite.
std::vector<double> inverse_of(std::span<const float> matrix, size_t n) {
  std::vector<double> a(matrix.begin(), matrix.end()), inverse(n * n, 0.0);
  for (size_t i = 0; i < n; ++i) inverse[i * n + i] = 1;
  for (size_t p = 0; p < n; ++p) {
    const double pivot = a[p * n + p];
    CHECK_THAT(pivot > 0);
    for (size_t j = 0; j < n; ++j) {
      a[p * n + j] /= pivot;
      inverse[p * n + j] /= pivot;
    }
    for (size_t i = 0; i < n; ++i) {
      const double factor = a[i * n + p];
      if (i == p || factor == 0) continue;
      for (size_t j = 0; j < n; ++j) {
        a[i * n + j] -= factor * a[p * n + j];
        inverse[i * n + j] -= factor * inverse[p * n + j];
      }
    }
  }
  return inverse;
}

}  // namespace

Obq quantise_by_obq(std::span<const float> weights, std::span<const float> hessian,
                    const ObqOrder& order, const std::function<float(int i, float x)>& nearest) {
  const size_t n = weights.size();
  std::vector<double> inverse = inverse_of(hessian, n), w(weights.begin(), weights.end());
  std::vector<bool> done(n, false);
  Obq result;
  result.values.resize(n);
  const auto cheapest = [&] {
    size_t best = n;
    double least = 0;
    for (size_t i = 0; i < n; ++i) {
      if (done[i]) continue;
      const auto x = static_cast<float>(w[i]);
      const double off = w[i] - static_cast<double>(nearest(static_cast<int>(i), x));
      const bool out = !order.half_steps.empty() &&
                       std::fabs(off) > 1.001 * static_cast<double>(order.half_steps[i]);
      const double cost = off * off / inverse[i * n + i];
      if (out) return i;
      if (best < n && !(cost < least)) continue;
      best = i;
      least = cost;
    }
    return best;
  };
  for (size_t turn = 0; turn < n; ++turn) {
    const size_t q = order.order.empty() ? cheapest() : static_cast<size_t>(order.order[turn]);
    CHECK_THAT(q < n);
    result.values[q] = nearest(static_cast<int>(q), static_cast<float>(w[q]));
    result.order.push_back(static_cast<int>(q));
    done[q] = true;
    const double diagonal = inverse[q * n + q];
    const double step = (w[q] - static_cast<double>(result.values[q])) / diagonal;
    for (size_t i = 0; i < n; ++i) {
      if (!done[i]) w[i] -= step * inverse[i * n + q];
    }
    for (size_t i = 0; i < n; ++i) {
      const double factor = inverse[i * n + q] / diagonal;
      if (i == q) continue;
      for (size_t j = 0; j < n; ++j) {
        if (j != q) inverse[i * n + j] -= factor * inverse[q * n + j];
      }
    }
  }
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) {
      const auto off = [&](size_t k) {
        return static_cast<double>(weights[k]) - static_cast<double>(result.values[k]);
      };
      result.error += off(i) * static_cast<double>(hessian[i * n + j]) * off(j);
    }
  }
  return result;
}

}  // namespace issun::quantize
