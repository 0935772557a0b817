#include "measure/ridge.h"

#include <doctest/doctest.h>

#include <cmath>

#include "measure/random_rows.h"

using namespace issun;
using namespace issun::measure;

namespace {

struct Case {
  std::vector<float> rows;
  std::vector<double> ridges, targets;
  int64_t columns;
};

Case random_case(int64_t rows, int64_t columns, int64_t targets) {
  Random random(11);
  Case made{.rows = {}, .ridges = {}, .targets = {}, .columns = columns};
  for (int64_t i = 0; i < rows * columns; ++i)
    made.rows.push_back(static_cast<float>(random.uniform(-1, 1)));
  for (int64_t i = 0; i < rows; ++i) made.ridges.push_back(random.uniform(0.5, 50));
  for (int64_t i = 0; i < rows * targets; ++i) made.targets.push_back(random.uniform(-2, 2));
  return made;
}

RidgeSolution solve(const Case& made, int threads) {
  const auto workers = *Workers::create(threads);
  auto solution = solve_ridge({.rows = made.rows, .columns = made.columns, .ridges = made.ridges},
                              made.targets, *workers);
  REQUIRE_MESSAGE(solution.has_value(), solution.error().message);
  return std::move(*solution);
}

}  // namespace

// w minimises the sum where its derivative, w + sum of x(t) (w . x(t) - y(t)) / ridge(t), is zero.
TEST_CASE("ridge regression finds the minimum, with fewer rows than columns and with more") {
  constexpr int64_t kTargets = 19;
  for (const auto& [rows, columns] : {std::pair<int64_t, int64_t>{70, 200}, {530, 40}, {1, 3}}) {
    const auto& which = rows;
    CAPTURE(which);
    const Case made = random_case(rows, columns, kTargets);
    const RidgeSolution solution = solve(made, 2);
    REQUIRE(solution.weights.size() == static_cast<size_t>(columns * kTargets));
    REQUIRE(solution.fitted.size() == static_cast<size_t>(rows * kTargets));
    for (int64_t k = 0; k < kTargets; ++k) {
      std::vector<double> slope(static_cast<size_t>(columns));
      const auto weight = [&](int64_t d) {
        return solution.weights[static_cast<size_t>(d * kTargets + k)];
      };
      for (int64_t d = 0; d < columns; ++d) slope[static_cast<size_t>(d)] = weight(d);
      for (int64_t t = 0; t < rows; ++t) {
        const float* x = made.rows.data() + t * columns;
        double squares = 0, product = 0;
        for (int64_t d = 0; d < columns; ++d) squares += double{x[d]} * x[d];
        const double norm = std::sqrt(squares / static_cast<double>(columns));
        for (int64_t d = 0; d < columns; ++d) product += weight(d) * x[d] / norm;
        const auto at = static_cast<size_t>(t * kTargets + k);
        // Products of rows are added up in F32: up to 200 numbers of about 1 have an error of about
        // 1e-6 together, which up to 530 factors below 2 / ridge multiply.
        CHECK(std::abs(product - solution.fitted[at]) < 1e-4);
        const double pull = (product - made.targets[at]) / made.ridges[static_cast<size_t>(t)];
        for (int64_t d = 0; d < columns; ++d) slope[static_cast<size_t>(d)] += pull * x[d] / norm;
      }
      for (const double one : slope) REQUIRE(std::abs(one) < 1e-4);
    }
  }
}

TEST_CASE("ridge regression has the same bits for any number of threads") {
  const Case made = random_case(600, 48, 40);
  CHECK(solve(made, 1).weights == solve(made, 3).weights);
}

TEST_CASE("a row of zeros cannot be normed and is refused") {
  Case made = random_case(3, 8, 2);
  std::fill_n(made.rows.begin() + 8, 8, 0.0f);
  const auto workers = *Workers::create(1);
  const auto solution =
      solve_ridge({.rows = made.rows, .columns = 8, .ridges = made.ridges}, made.targets, *workers);
  REQUIRE_FALSE(solution.has_value());
  CHECK(solution.error().message.find("row 1") != std::string::npos);
}
