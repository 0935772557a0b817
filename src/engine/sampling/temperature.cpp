#include "engine/sampling/temperature.h"

#include <algorithm>
#include <cmath>

namespace issun::engine {

void temper(Candidates& candidates, float temperature) {
  if (temperature <= 0) return candidates.keep_best(1);
  if (temperature != 1) candidates.divide(temperature);
}

float dynamic_temperature(Candidates& candidates, float temperature, float range, float exponent) {
  const std::span<const Candidate> all = candidates.all();
  if (range <= 0 || all.size() < 2) return temperature;
  const float highest = candidates.highest();
  double total = 0, moment = 0;  // of exp(x) and x exp(x), x the logit below the highest
  for (const Candidate& candidate : all) {
    const double x = double{candidate.logit} - highest;
    total += std::exp(x);
    moment += x * std::exp(x);
  }
  const double entropy = std::log(total) - moment / total;
  const double share = std::clamp(entropy / std::log(static_cast<double>(all.size())), 0.0, 1.0);
  const double coldest = std::max(0.0, double{temperature} - range);
  const double hottest = double{temperature} + range;
  return static_cast<float>(coldest + (hottest - coldest) * std::pow(share, double{exponent}));
}

}  // namespace issun::engine
