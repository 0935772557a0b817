// What the tests of the forward pass share: how far apart rows are.
#pragma once

#include <doctest/doctest.h>

#include <cstddef>
#include <span>

namespace issun::model {

// The sum of (a - b)^2 as a share of the sum of b^2.
inline double nmse(std::span<const float> a, std::span<const float> b) {
  REQUIRE(a.size() == b.size());
  double wrong = 0, all = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    wrong += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    all += double{b[i]} * b[i];
  }
  return wrong / all;
}

}  // namespace issun::model
