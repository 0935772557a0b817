#include "measure/statistics.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace issun::measure {

Share wilson(int64_t hits, int64_t count) {
  constexpr double z = 1.959963984540054, z2 = z * z;
  const double n = static_cast<double>(count), p = static_cast<double>(hits) / n;
  const double middle = p + z2 / (2 * n);
  const double reach = z * std::sqrt(p * (1 - p) / n + z2 / (4 * n * n));
  const double low = (middle - reach) / (1 + z2 / n), high = (middle + reach) / (1 + z2 / n);
  // The ends at 0 and 1 are exact but for rounding.
  return {hits, count, p, hits == 0 ? 0 : std::max(0.0, low),
          hits == count ? 1 : std::min(1.0, high)};
}

nlohmann::ordered_json to_json(const Share& share) {
  return {{"share", share.value},
          {"interval_95", {share.low, share.high}},
          {"hits", share.hits},
          {"count", share.count}};
}

}  // namespace issun::measure
