#include "experts/reuse.h"

#include <algorithm>
#include <cmath>

namespace issun::experts {

ReuseCurve::ReuseCurve(int units, double half_life)
    : growth_(half_life > 0 ? std::exp2(1 / half_life) : 1),
      used_at_(static_cast<size_t>(units)),
      distances_(static_cast<size_t>(units)) {}

void ReuseCurve::count(int unit) {
  constexpr double kLargest = 1e100;
  uses_ /= growth_;
  uses_ += 1;
  weight_ *= growth_;
  if (weight_ > kLargest) {
    for (double& distance : distances_) distance /= weight_;
    weight_ = 1;
  }
  const int64_t last = used_at_[static_cast<size_t>(unit)];
  if (last == 0) return;
  const auto between =
      std::count_if(used_at_.begin(), used_at_.end(), [&](int64_t at) { return at > last; });
  distances_[static_cast<size_t>(between)] += weight_;
}

void ReuseCurve::use(int unit) {
  count(unit);
  used_at_[static_cast<size_t>(unit)] = ++now_;
}

void ReuseCurve::use_together(std::span<const int32_t> units, bool counted) {
  // All are counted before any moves, so that a unit's own batch is not between its uses.
  if (counted) {
    for (const int32_t unit : units) count(unit);
  }
  for (const int32_t unit : units) used_at_[static_cast<size_t>(unit)] = ++now_;
}

double ReuseCurve::hits(int slots) const {
  if (uses_ == 0) return 0;
  double sum = 0;
  for (size_t i = 0; i < distances_.size() && static_cast<int>(i) < slots; ++i)
    sum += distances_[i];
  return sum / weight_ / uses_;
}

std::vector<double> ReuseCurve::curve() const {
  std::vector<double> curve{0};
  double sum = 0;
  for (const double distance : distances_) {
    sum += distance;
    curve.push_back(uses_ == 0 ? 0 : sum / weight_ / uses_);
  }
  return curve;
}

}  // namespace issun::experts
