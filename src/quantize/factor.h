// The linear algebra of error feedback: a Hessian as the product of triangles, in the order in
// which columns are rounded.
#pragma once

#include <span>
#include <vector>

#include "base/result.h"
#include "base/threads.h"

namespace issun::quantize {

// out = matrix with its rows and columns in this order: (n, n) each. matrix is symmetric.
void reorder(std::span<const float> matrix, std::span<const int> order, Workers& workers,
             std::vector<double>* out);

// The upper triangle R with H = R R^T, its diagonal positive, over the symmetric H (n, n); below
// the diagonal are zeros. In double, blocked; bits do not depend on the workers. False, and the
// matrix is lost, where H is not positive definite as far as double can tell.
bool factor_upper(int64_t n, std::vector<double>* matrix, Workers& workers);

}  // namespace issun::quantize
