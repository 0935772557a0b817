#include "quantize/factor.h"

#include <algorithm>
#include <cmath>

namespace issun::quantize {

namespace {

constexpr int64_t kPanelColumns = 64;  // columns that are factored at a time
constexpr int64_t kStrip = 512;        // numbers of a row that stay in the nearest cache meanwhile

// Cholesky's L with A = L L^T (Golub and Van Loan, Matrix Computations, 4th edition, 4.2.6, by
// blocks): the lower triangle of A is overwritten.
class Cholesky {
 public:
  Cholesky(int64_t n, double* a, Workers& workers) : n_(n), a_(a), workers_(workers) {
    panel_.resize(static_cast<size_t>(kPanelColumns * n));
  }

  bool run() {
    for (int64_t k = 0; k < n_; k += kPanelColumns) {
      const int64_t end = std::min(n_, k + kPanelColumns);
      if (!factor_diagonal(k, end)) return false;
      const int64_t below = n_ - end;
      workers_.for_each(below, 16, [&](int64_t from, int64_t to, int) {
        for (int64_t i = end + from; i < end + to; ++i) solve_row(k, end, i);
      });
      workers_.for_each(below, 16, [&](int64_t from, int64_t to, int) {
        for (int64_t i = end + from; i < end + to; ++i) update_row(k, end, i);
      });
    }
    return true;
  }

 private:
  double* row(int64_t i) const { return a_ + i * n_; }

  bool factor_diagonal(int64_t k, int64_t end) {
    for (int64_t j = k; j < end; ++j) {
      double pivot = row(j)[j];
      for (int64_t p = k; p < j; ++p) pivot -= row(j)[p] * row(j)[p];
      if (!(pivot > 0) || !std::isfinite(pivot)) return false;
      row(j)[j] = std::sqrt(pivot);
      for (int64_t i = j + 1; i < end; ++i) {
        double sum = row(i)[j];
        for (int64_t p = k; p < j; ++p) sum -= row(i)[p] * row(j)[p];
        row(i)[j] = sum / row(j)[j];
      }
    }
    return true;
  }

  // Row i of the panel below the diagonal block, and its copy with rows and columns swapped.
  void solve_row(int64_t k, int64_t end, int64_t i) {
    for (int64_t j = k; j < end; ++j) {
      double sum = row(i)[j];
      for (int64_t p = k; p < j; ++p) sum -= row(i)[p] * row(j)[p];
      sum /= row(j)[j];
      row(i)[j] = sum;
      panel_[static_cast<size_t>((j - k) * n_ + i)] = sum;
    }
  }

  // What is right of the panel, of row i, less the panel's share.
  void update_row(int64_t k, int64_t end, int64_t i) {
    double* to = row(i);
    for (int64_t first = end; first <= i; first += kStrip) {
      const int64_t last = std::min(i + 1, first + kStrip);
      int64_t p = k;
      for (; p + 4 <= end; p += 4) {
        const double a = to[p], b = to[p + 1], c = to[p + 2], d = to[p + 3];
        const double *pa = panel(p - k), *pb = pa + n_, *pc = pb + n_, *pd = pc + n_;
        for (int64_t j = first; j < last; ++j)
          to[j] -= a * pa[j] + b * pb[j] + c * pc[j] + d * pd[j];
      }
      for (; p < end; ++p) {
        const double a = to[p];
        const double* pa = panel(p - k);
        for (int64_t j = first; j < last; ++j) to[j] -= a * pa[j];
      }
    }
  }

  const double* panel(int64_t p) const { return panel_.data() + p * n_; }

  const int64_t n_;
  double* const a_;
  Workers& workers_;
  std::vector<double> panel_;
};

}  // namespace

void reorder(std::span<const float> matrix, std::span<const int> order, Workers& workers,
             std::vector<double>* out) {
  const auto n = static_cast<int64_t>(order.size());
  out->resize(static_cast<size_t>(n * n));
  workers.for_each(n, 16, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const float* from = matrix.data() + int64_t{order[static_cast<size_t>(i)]} * n;
      for (int64_t j = 0; j < n; ++j)
        (*out)[static_cast<size_t>(i * n + j)] = from[order[static_cast<size_t>(j)]];
    }
  });
}

// From the last row and column to the first, H = R R^T is A = L L^T.
bool factor_upper(int64_t n, std::vector<double>* matrix, Workers& workers) {
  double* a = matrix->data();
  std::reverse(a, a + n * n);
  if (!Cholesky(n, a, workers).run()) return false;
  std::reverse(a, a + n * n);
  workers.for_each(n, 16, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) std::fill_n(a + i * n, i, 0.0);
  });
  return true;
}

}  // namespace issun::quantize
