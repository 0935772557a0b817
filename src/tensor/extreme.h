// The number that encoders give the largest code.
#pragma once

#include <cmath>

namespace issun {

// The one that is furthest from zero, the first of equals, with its sign; NaN is passed over.
// Sizes are kept by themselves: of fabs(x) > fabs(extreme) clang 19 forgets the second fabs where
// it unrolls the loop (seen in WebAssembly).
inline float extreme_of(const float* x, int n) {
  float extreme = 0, size = 0;
  for (int i = 0; i < n; ++i) {
    if (!(std::fabs(x[i]) > size)) continue;
    extreme = x[i];
    size = std::fabs(extreme);
  }
  return extreme;
}

}  // namespace issun
