#include "measure/study/statistics.h"

#include <array>
#include <cmath>

#include "base/check.h"

namespace issun::measure {

double student_t_975(int degrees) {
  CHECK_THAT(degrees >= 1);
  // The tabled quantiles; beyond, Cornish and Fisher's expansion around the normal one is good to
  // four digits.
  constexpr std::array<double, 10> kFew = {12.7062, 4.3027, 3.1824, 2.7764, 2.5706,
                                           2.4469,  2.3646, 2.3060, 2.2622, 2.2281};
  if (degrees <= static_cast<int>(kFew.size())) return kFew[static_cast<size_t>(degrees) - 1];
  const double z = 1.959964, z2 = z * z, n = degrees;
  const double first = z * (z2 + 1) / 4;
  const double second = z * (5 * z2 * z2 + 16 * z2 + 3) / 96;
  const double third = z * (3 * z2 * z2 * z2 + 19 * z2 * z2 + 17 * z2 - 15) / 384;
  return z + first / n + second / (n * n) + third / (n * n * n);
}

Spread spread_of(std::span<const double> values) {
  Spread spread;
  spread.count = static_cast<int>(values.size());
  if (values.empty()) return spread;
  for (const double value : values) spread.mean += value / spread.count;
  if (spread.count < 2) return spread;
  double squares = 0;
  for (const double value : values) squares += (value - spread.mean) * (value - spread.mean);
  spread.deviation = std::sqrt(squares / (spread.count - 1));
  spread.interval =
      student_t_975(spread.count - 1) * spread.deviation / std::sqrt(double(spread.count));
  return spread;
}

}  // namespace issun::measure
