// Figures with the error they carry because only so much was measured.
#pragma once

#include <cmath>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>

namespace issun::measure {

// A mean and its standard error.
struct Estimate {
  double value = 0, error = 0;
};

// Of value(0) ... value(count - 1), taken as independent: the error is
// sqrt(sum (x - mean)^2 / (n (n - 1))), and 0 for one value alone. count: at least one.
template <class Value>
Estimate estimate(int64_t count, Value&& value) {
  const double n = static_cast<double>(count);
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < count; ++i) sum += value(i);
  const double mean = sum / n;
  for (int64_t i = 0; i < count; ++i) squares += (value(i) - mean) * (value(i) - mean);
  return {mean, count > 1 ? std::sqrt(squares / (n * (n - 1))) : 0};
}

// exp(x): of a mean of logarithms. The error is that of x times the value.
inline Estimate exponential(const Estimate& x) {
  const double value = std::exp(x.value);
  return {value, value * x.error};
}

// A share of `count`, and the interval that holds the true one in about 95 of 100 samples.
struct Share {
  int64_t hits = 0, count = 0;
  double value = 0, low = 0, high = 0;
};

// By the score of E. B. Wilson (1927): with n values, a share p of them and z = 1.959964, the ends
// are (p + z^2/2n -+ z sqrt(p (1 - p)/n + z^2/4n^2)) / (1 + z^2/n). Never outside 0..1, and sound
// near both, where p -+ z sqrt(p (1 - p)/n) is not. count: at least one.
Share wilson(int64_t hits, int64_t count);
nlohmann::ordered_json to_json(const Share& share);

}  // namespace issun::measure
