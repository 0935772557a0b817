#include "quantize/obq.h"

#include <cmath>

#include "base/check.h"
#include "quantize/lab/obs.h"

namespace issun::quantize {

Obq quantise_by_obq(std::span<const float> weights, std::span<const float> hessian,
                    const ObqOrder& order, const std::function<float(int i, float x)>& nearest) {
  const auto n = static_cast<int>(weights.size());
  const std::vector<double> start(weights.begin(), weights.end());
  const std::vector<double> h(hessian.begin(), hessian.end());
  const auto inverse = lab::inverse_of(h, n);
  CHECK_THAT(inverse.has_value());
  lab::ObsRow row(start, *inverse);
  const auto target = [&](int i) { return nearest(i, static_cast<float>(row.weight(i))); };
  const auto cheapest = [&] {
    int best = n;
    double least = 0;
    for (int i = 0; i < n; ++i) {
      if (!row.is_free(i)) continue;
      const double to = target(i);
      const bool out = !order.half_steps.empty() &&
                       std::fabs(row.weight(i) - to) >
                           1.001 * static_cast<double>(order.half_steps[static_cast<size_t>(i)]);
      if (out) return i;
      const double cost = row.cost(i, to);
      if (best < n && !(cost < least)) continue;
      best = i;
      least = cost;
    }
    return best;
  };
  Obq result;
  result.values.resize(weights.size());
  for (int turn = 0; turn < n; ++turn) {
    const int q = order.order.empty() ? cheapest() : order.order[static_cast<size_t>(turn)];
    CHECK_THAT(q < n);
    result.values[static_cast<size_t>(q)] = target(q);
    result.order.push_back(q);
    row.fix(q, result.values[static_cast<size_t>(q)]);
  }
  result.error = lab::output_error(start, row.weights(), h);
  return result;
}

}  // namespace issun::quantize
