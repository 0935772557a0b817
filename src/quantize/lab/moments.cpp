#include "quantize/lab/moments.h"

#include <algorithm>
#include <cmath>

namespace issun::quantize::lab {

Moments moments_of(std::span<const float> values) {
  Moments m;
  m.count = static_cast<int64_t>(values.size());
  if (values.empty()) return m;
  const auto n = static_cast<double>(values.size());
  m.least = m.most = values[0];
  double sum = 0, squares = 0;
  for (const float x : values) {
    sum += x;
    squares += static_cast<double>(x) * x;
    m.least = std::min<double>(m.least, x);
    m.most = std::max<double>(m.most, x);
    m.zeros += x == 0;
  }
  m.mean = sum / n;
  m.rms = std::sqrt(squares / n);
  m.largest = std::max(-m.least, m.most);
  m.zeros /= n;
  double second = 0, third = 0, fourth = 0;
  for (const float x : values) {
    const double d = x - m.mean;
    second += d * d;
    third += d * d * d;
    fourth += d * d * d * d;
  }
  second /= n;
  m.deviation = std::sqrt(second);
  if (second > 0) {
    m.skewness = third / n / (second * m.deviation);
    m.kurtosis = fourth / n / (second * second);
  }
  for (const float x : values) {
    const double d = std::abs(x - m.mean);
    m.beyond3 += d > 3 * m.deviation;
    m.beyond6 += d > 6 * m.deviation;
  }
  m.beyond3 /= n;
  m.beyond6 /= n;
  return m;
}

float quantile(std::span<const float> values, double share) {
  if (values.empty()) return 0;
  std::vector<float> copy(values.begin(), values.end());
  const auto place =
      std::min(copy.size() - 1,
               static_cast<size_t>(std::lround(share * static_cast<double>(copy.size() - 1))));
  std::nth_element(copy.begin(), copy.begin() + static_cast<std::ptrdiff_t>(place), copy.end());
  return copy[place];
}

std::vector<int64_t> histogram(std::span<const float> values, double low, double high, int bins) {
  std::vector<int64_t> counts(static_cast<size_t>(bins), 0);
  const double scale = high > low ? bins / (high - low) : 0;
  for (const float x : values) {
    const double place = std::clamp((x - low) * scale, 0.0, static_cast<double>(bins - 1));
    ++counts[static_cast<size_t>(place)];
  }
  return counts;
}

}  // namespace issun::quantize::lab
