#include "measure/ridge.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "quantize/factor.h"

namespace issun::measure {

namespace {

constexpr int64_t kRowsAtOnce = 16;     // of products, that share what they read
constexpr int64_t kStrip = 512;         // numbers of each, that stay in the nearest cache
constexpr int64_t kTargetsAtOnce = 16;  // that a worker solves for together

class Ridge {
 public:
  Ridge(const RidgeProblem& problem, std::span<const double> targets, Workers& workers)
      : n_(static_cast<int64_t>(problem.ridges.size())),
        columns_(problem.columns),
        targets_(static_cast<int64_t>(targets.size()) / n_),
        problem_(problem),
        workers_(workers),
        y_(targets),
        a_(targets.begin(), targets.end()) {}

  Result<RidgeSolution> solve() {
    TRY(turn());
    multiply();
    if (!quantize::factor_upper(n_, &gram_, workers_)) {
      return fail("ridge regression: the system of {} rows cannot be factored", n_);
    }
    workers_.for_each(targets_, kTargetsAtOnce,
                      [&](int64_t begin, int64_t end, int) { substitute(begin, end); });
    return solution();
  }

 private:
  // turned_: (columns, rows), normed.
  Result<void> turn() {
    turned_.resize(static_cast<size_t>(columns_ * n_));
    for (int64_t t = 0; t < n_; ++t) {
      const float* row = problem_.rows.data() + t * columns_;
      double squares = 0;
      for (int64_t d = 0; d < columns_; ++d) squares += double{row[d]} * row[d];
      const double norm = std::sqrt(squares / static_cast<double>(columns_));
      if (!(norm > 0) || !std::isfinite(norm)) {
        return fail("ridge regression: row {}: expected numbers that are not all zero", t);
      }
      for (int64_t d = 0; d < columns_; ++d)
        turned_[static_cast<size_t>(d * n_ + t)] = static_cast<float>(row[d] / norm);
    }
    return {};
  }

  const float* turned(int64_t d) const { return turned_.data() + d * n_; }

  // The lower triangle of X X^T + diag(ridges), then the upper from it.
  void multiply() {
    gram_.resize(static_cast<size_t>(n_ * n_));
    workers_.for_each(n_, kRowsAtOnce, [&](int64_t begin, int64_t end, int) {
      for (int64_t first = 0; first < end; first += kStrip) {
        multiply_strip(begin, end, first, std::min(end, first + kStrip));
      }
    });
    workers_.for_each(n_, kRowsAtOnce, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        gram_[static_cast<size_t>(i * n_ + i)] += problem_.ridges[static_cast<size_t>(i)];
        for (int64_t j = i + 1; j < n_; ++j)
          gram_[static_cast<size_t>(i * n_ + j)] = gram_[static_cast<size_t>(j * n_ + i)];
      }
    });
  }

  void multiply_strip(int64_t begin, int64_t end, int64_t first, int64_t last) {
    float sums[kRowsAtOnce][kStrip] = {};
    const int64_t width = last - first;
    const auto add = [&](const float* x) {
      for (int64_t i = begin; i < end; ++i) {
        float* sum = sums[i - begin];
        const float factor = x[i];
        for (int64_t j = 0; j < width; ++j) sum[j] += factor * x[first + j];
      }
    };
    for (int64_t d = 0; d < columns_; ++d) add(turned(d));
    for (int64_t i = begin; i < end; ++i)
      std::copy_n(sums[i - begin], width, gram_.begin() + i * n_ + first);
  }

  // a becomes the solution of R R^T a = y, for some targets: from the last row up, then from the
  // first down.
  void substitute(int64_t begin, int64_t end) {
    const auto a = [&](int64_t i) { return a_.data() + i * targets_; };
    for (int64_t i = n_ - 1; i >= 0; --i) {
      const double* r = gram_.data() + i * n_;
      double* to = a(i);
      for (int64_t j = i + 1; j < n_; ++j) {
        const double* from = a(j);
        for (int64_t k = begin; k < end; ++k) to[k] -= r[j] * from[k];
      }
      for (int64_t k = begin; k < end; ++k) to[k] /= r[i];
    }
    for (int64_t i = 0; i < n_; ++i) {
      const double* r = gram_.data() + i * n_;
      double* from = a(i);
      for (int64_t k = begin; k < end; ++k) from[k] /= r[i];
      for (int64_t j = i + 1; j < n_; ++j) {
        double* to = a(j);
        for (int64_t k = begin; k < end; ++k) to[k] -= r[j] * from[k];
      }
    }
  }

  // X w = X X^T a = y - diag(ridges) a.
  RidgeSolution solution() {
    RidgeSolution solution;
    for (int64_t t = 0; t < n_; ++t) {
      for (int64_t k = 0; k < targets_; ++k) {
        const auto at = static_cast<size_t>(t * targets_ + k);
        solution.fitted.push_back(y_[at] - problem_.ridges[static_cast<size_t>(t)] * a_[at]);
      }
    }
    solution.weights.resize(static_cast<size_t>(columns_ * targets_));
    workers_.for_each(columns_, kRowsAtOnce, [&](int64_t begin, int64_t end, int) {
      for (int64_t t = 0; t < n_; ++t) {
        const double* from = a_.data() + t * targets_;
        for (int64_t d = begin; d < end; ++d) {
          double* to = solution.weights.data() + d * targets_;
          const double factor = turned(d)[t];
          for (int64_t k = 0; k < targets_; ++k) to[k] += factor * from[k];
        }
      }
    });
    return solution;
  }

  const int64_t n_, columns_, targets_;
  const RidgeProblem& problem_;
  Workers& workers_;
  const std::span<const double> y_;
  std::vector<double> a_;      // (rows, targets)
  std::vector<float> turned_;  // (columns, rows)
  std::vector<double> gram_;   // (rows, rows), then its factor
};

}  // namespace

Result<RidgeSolution> solve_ridge(const RidgeProblem& problem, std::span<const double> targets,
                                  Workers& workers) {
  const auto n = static_cast<int64_t>(problem.ridges.size());
  CHECK_THAT(n > 0 && static_cast<int64_t>(problem.rows.size()) == n * problem.columns);
  CHECK_THAT(static_cast<int64_t>(targets.size()) % n == 0);
  return Ridge(problem, targets, workers).solve();
}

}  // namespace issun::measure
