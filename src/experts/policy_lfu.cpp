#include "experts/policy_lfu.h"

#include <cmath>

namespace issun::experts {

void LfuPolicy::end_batch() {
  if (uses_ == 0) return;
  const double fading = std::exp2(-uses_ / static_cast<double>(units_.size()) / kHalfLife);
  for (Unit& unit : units_) {
    unit.uses *= fading;
    unit.in_batch = false;
  }
  uses_ = 0;
}

void LfuPolicy::use(int unit, int tokens) {
  Unit& used = units_[static_cast<size_t>(unit)];
  if (used.in_batch) end_batch();
  used.uses += tokens;
  used.used_at = ++now_;
  used.in_batch = true;
  uses_ += tokens;
}

int LfuPolicy::victim(std::span<const uint8_t> droppable) {
  end_batch();
  int least = -1;
  for (size_t i = 0; i < units_.size(); ++i) {
    if (droppable[i] == 0) continue;
    const Unit& a = units_[i];
    if (least >= 0) {
      const Unit& b = units_[static_cast<size_t>(least)];
      if (a.uses > b.uses || (a.uses == b.uses && a.used_at >= b.used_at)) continue;
    }
    least = static_cast<int>(i);
  }
  return least;
}

}  // namespace issun::experts
