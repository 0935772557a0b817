// Ridge regression with fewer rows than a matrix of their columns would have, or about as many: in
// the dual form, one factorisation for any number of right-hand sides.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/threads.h"

namespace issun::measure {

// Rows x(t) are normed to a mean square of 1 first.
struct RidgeProblem {
  std::span<const float> rows;  // (rows, columns)
  int64_t columns = 0;
  std::span<const double> ridges;  // (rows): of each, against its weight; above 0
};

struct RidgeSolution {
  std::vector<double> weights;  // (columns, targets)
  std::vector<double> fitted;   // (rows, targets): what the weights give for the rows
};

// For each target y the w that minimises sum of (w . x(t) - y(t))^2 / ridge(t) + |w|^2, as
// w = X^T a with (X X^T + diag(ridges)) a = y (Saunders, Gammerman, Vovk 1998). targets: (rows,
// targets). Bits do not depend on the workers. Error: a row of zeros or of no numbers.
Result<RidgeSolution> solve_ridge(const RidgeProblem& problem, std::span<const double> targets,
                                  Workers& workers);

}  // namespace issun::measure
