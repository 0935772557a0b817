// How values are spread: moments, quantiles, histogram, outliers.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace issun::quantize::lab {

struct Moments {
  int64_t count = 0;
  double mean = 0, deviation = 0;
  double rms = 0;              // root mean square
  double skewness = 0;         // 0 where symmetric
  double kurtosis = 0;         // fourth moment over the square of the second: 3 is normal
  double least = 0, most = 0;  // of the values
  double largest = 0;          // magnitude
  double zeros = 0;            // share that is exactly 0
  // Share beyond 3 and 6 deviations of the mean; normal: 0.0027 and 2e-9.
  double beyond3 = 0, beyond6 = 0;
};

Moments moments_of(std::span<const float> values);

// The value below which that share of the values is, 0 to 1. Empty: 0.
float quantile(std::span<const float> values, double share);

// Counts in `bins` equal parts of [low, high]; what is outside goes into the outer ones.
std::vector<int64_t> histogram(std::span<const float> values, double low, double high, int bins);

}  // namespace issun::quantize::lab
