#include "quantize/lab/obs.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"

namespace issun::quantize::lab {

std::optional<std::vector<double>> inverse_of(std::span<const double> matrix, int64_t n) {
  const auto size = static_cast<size_t>(n);
  CHECK_THAT(matrix.size() == size * size);
  // Cholesky: matrix = L L^T, then L^-1, then L^-T L^-1.
  std::vector<double> lower(matrix.begin(), matrix.end());
  for (size_t i = 0; i < size; ++i) {
    for (size_t j = 0; j <= i; ++j) {
      double sum = lower[i * size + j];
      for (size_t k = 0; k < j; ++k) sum -= lower[i * size + k] * lower[j * size + k];
      if (i == j) {
        if (!(sum > 0)) return std::nullopt;
        lower[i * size + i] = std::sqrt(sum);
      } else {
        lower[i * size + j] = sum / lower[j * size + j];
      }
    }
  }
  std::vector<double> solved(size * size, 0);  // L^-1, row after row
  for (size_t i = 0; i < size; ++i) {
    const double pivot = 1 / lower[i * size + i];
    for (size_t k = 0; k < i; ++k) {
      const double factor = lower[i * size + k] * pivot;
      for (size_t j = 0; j <= k; ++j) solved[i * size + j] -= factor * solved[k * size + j];
    }
    solved[i * size + i] = pivot;
  }
  std::vector<double> inverse(size * size, 0);
  for (size_t k = 0; k < size; ++k) {
    for (size_t i = 0; i <= k; ++i) {
      const double factor = solved[k * size + i];
      for (size_t j = 0; j <= k; ++j) inverse[i * size + j] += factor * solved[k * size + j];
    }
  }
  return inverse;
}

ObsRow::ObsRow(std::span<const double> weights, std::span<const double> inverse)
    : weights_(weights.begin(), weights.end()),
      inverse_(inverse.begin(), inverse.end()),
      free_(weights.size(), true) {
  CHECK_THAT(inverse.size() == weights.size() * weights.size());
}

double ObsRow::cost(int64_t q, double target) const {
  const auto i = static_cast<size_t>(q);
  const double off = weights_[i] - target;
  return off * off / inverse_[i * weights_.size() + i];
}

void ObsRow::fix(int64_t q, double target) {
  const auto i = static_cast<size_t>(q), n = weights_.size();
  CHECK_THAT(free_[i]);
  const std::vector<double> column(inverse_.begin() + static_cast<std::ptrdiff_t>(i * n),
                                   inverse_.begin() + static_cast<std::ptrdiff_t>((i + 1) * n));
  const double step = (weights_[i] - target) / column[i];
  for (size_t k = 0; k < n; ++k) {
    if (!free_[k]) continue;
    weights_[k] -= step * column[k];
    const double factor = column[k] / column[i];
    double* row = inverse_.data() + k * n;
    for (size_t j = 0; j < n; ++j) row[j] -= factor * column[j];
  }
  weights_[i] = target;
  free_[i] = false;
}

double output_error(std::span<const double> weights, std::span<const double> again,
                    std::span<const double> h) {
  const size_t n = weights.size();
  double sum = 0;
  for (size_t i = 0; i < n; ++i) {
    const double off = again[i] - weights[i];
    if (off == 0) continue;
    double product = 0;
    for (size_t j = 0; j < n; ++j) product += h[i * n + j] * (again[j] - weights[j]);
    sum += off * product;
  }
  return sum;
}

namespace {

// The free weight of the least cost among those that `allowed` names; -1: none.
template <class Cost>
int64_t cheapest(const ObsRow& row, Cost&& cost) {
  int64_t best = -1;
  double least = INFINITY;
  for (int64_t q = 0; q < row.size(); ++q) {
    if (!row.is_free(q)) continue;
    const double now = cost(q);
    if (now < least) {
      least = now;
      best = q;
    }
  }
  return best;
}

int64_t to_remove(int64_t size, int64_t group) {
  return std::min<int64_t>(4, size - 4 * group) / 2;
}

// The places of the `count` smallest magnitudes of [begin, end) become 0.
void clear_smallest(std::vector<double>* weights, size_t begin, size_t end, size_t count) {
  std::vector<size_t> order(end - begin);
  std::iota(order.begin(), order.end(), begin);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::abs((*weights)[a]) < std::abs((*weights)[b]);
  });
  for (size_t i = 0; i < count; ++i) (*weights)[order[i]] = 0;
}

}  // namespace

void obs_prune(ObsRow& row, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const int64_t q = cheapest(row, [&](int64_t k) { return row.cost(k, 0); });
    if (q < 0) return;
    row.fix(q, 0);
  }
}

void obs_prune_2_of_4(ObsRow& row) {
  const int64_t groups = (row.size() + 3) / 4;
  std::vector<int64_t> left(static_cast<size_t>(groups));
  for (int64_t g = 0; g < groups; ++g) left[static_cast<size_t>(g)] = to_remove(row.size(), g);
  for (;;) {
    const int64_t q = cheapest(row, [&](int64_t k) {
      return left[static_cast<size_t>(k / 4)] > 0 ? row.cost(k, 0) : INFINITY;
    });
    if (q < 0) return;
    row.fix(q, 0);
    --left[static_cast<size_t>(q / 4)];
  }
}

void obs_round(ObsRow& row, const std::function<double(double)>& round, double half_step) {
  for (;;) {
    int64_t q = cheapest(row, [&](int64_t k) { return row.cost(k, round(row.weight(k))); });
    if (q < 0) return;
    // A weight that the others' moves pushed out of the grid's range is rounded at once, while
    // there are others left to make up for it.
    int64_t outlier = -1;
    double most = half_step;
    for (int64_t k = 0; k < row.size(); ++k) {
      if (!row.is_free(k)) continue;
      const double off = std::abs(row.weight(k) - round(row.weight(k)));
      if (off > most) {
        most = off;
        outlier = k;
      }
    }
    if (outlier >= 0) q = outlier;
    row.fix(q, round(row.weight(q)));
  }
}

std::vector<double> prune_smallest(std::span<const double> weights, int64_t count) {
  std::vector<double> result(weights.begin(), weights.end());
  clear_smallest(&result, 0, result.size(), static_cast<size_t>(count));
  return result;
}

std::vector<double> prune_smallest_2_of_4(std::span<const double> weights) {
  std::vector<double> result(weights.begin(), weights.end());
  const auto size = static_cast<int64_t>(result.size());
  for (int64_t g = 0; 4 * g < size; ++g) {
    clear_smallest(&result, static_cast<size_t>(4 * g),
                   static_cast<size_t>(std::min(size, 4 * g + 4)),
                   static_cast<size_t>(to_remove(size, g)));
  }
  return result;
}

}  // namespace issun::quantize::lab
