// One choice for each of many items: the least damage that a size allows, or the least size that a
// damage allows. Exact (a multiple-choice knapsack). Not here: what the choices are and cost.
#pragma once

#include <span>
#include <vector>

#include "base/result.h"

namespace issun::quantize {

struct Choice {
  double bytes = 0, damage = 0;  // 0 or more, finite
};

struct Allocation {
  std::vector<int> chosen;       // of each item, the number of its choice
  double bytes = 0, damage = 0;  // sums over the items
  // What no allocation within the limit goes below, in the unit of what is minimised; below the
  // sum only where there were too many ways to follow all.
  double bound = 0;
};

// items: at least one choice each. Error: no choices keep the limit (with the least that any need).
Result<Allocation> least_damage(std::span<const std::vector<Choice>> items, double most_bytes);
Result<Allocation> least_bytes(std::span<const std::vector<Choice>> items, double most_damage);

}  // namespace issun::quantize
