#include "quantize/factor.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>
#include <random>

using namespace issun;
using namespace issun::quantize;

namespace {

// B B^T / n plus a little, (n, n).
std::vector<float> made_up(int n, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<double> b(static_cast<size_t>(n * n));
  for (double& x : b) x = static_cast<double>(normal(random));
  std::vector<float> matrix(b.size());
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) {
      double sum = i == j ? 0.05 : 0;
      for (int k = 0; k < n; ++k)
        sum += b[static_cast<size_t>(i * n + k)] * b[static_cast<size_t>(j * n + k)] / n;
      matrix[static_cast<size_t>(i * n + j)] = static_cast<float>(sum);
    }
  }
  return matrix;
}

std::vector<int> shuffled(int n) {
  std::vector<int> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), std::mt19937(7));
  return order;
}

}  // namespace

TEST_CASE("a Hessian is its upper triangle times that turned over, in any order of columns") {
  for (const int n : {1, 2, 5, 63, 64, 65, 150}) {
    CAPTURE(n);
    const std::vector<float> matrix = made_up(n, static_cast<uint32_t>(n));
    const std::vector<int> order = shuffled(n);
    const auto workers = *Workers::create(3);
    std::vector<double> upper;
    reorder(matrix, order, *workers, &upper);
    REQUIRE(factor_upper(n, &upper, *workers));
    double worst = 0;
    for (int i = 0; i < n; ++i) {
      CHECK(upper[static_cast<size_t>(i * n + i)] > 0);
      for (int j = 0; j < n; ++j) {
        if (j < i) CHECK(upper[static_cast<size_t>(i * n + j)] == 0);
        double sum = 0;
        for (int k = 0; k < n; ++k)
          sum += upper[static_cast<size_t>(i * n + k)] * upper[static_cast<size_t>(j * n + k)];
        const double wanted = static_cast<double>(matrix[static_cast<size_t>(
            order[static_cast<size_t>(i)] * n + order[static_cast<size_t>(j)])]);
        worst = std::max(worst, std::fabs(sum - wanted));
      }
    }
    CHECK(worst < 1e-13 * n);
  }
}

TEST_CASE("any number of workers factors to the same bits") {
  constexpr int n = 200;
  const std::vector<float> matrix = made_up(n, 3);
  std::vector<double> one, many;
  const auto alone = *Workers::create(1), together = *Workers::create(5);
  reorder(matrix, shuffled(n), *alone, &one);
  reorder(matrix, shuffled(n), *together, &many);
  REQUIRE(factor_upper(n, &one, *alone));
  REQUIRE(factor_upper(n, &many, *together));
  CHECK(one == many);
}

TEST_CASE("what is not positive definite is refused") {
  const auto workers = *Workers::create(1);
  std::vector<double> zeros(100, 0.0), indefinite = {1, 2, 2, 1}, broken = {NAN};
  CHECK_FALSE(factor_upper(10, &zeros, *workers));
  CHECK_FALSE(factor_upper(2, &indefinite, *workers));
  CHECK_FALSE(factor_upper(1, &broken, *workers));
}
