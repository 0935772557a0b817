#include "experts/policy_lru.h"

namespace issun::experts {

void LruPolicy::use(int unit, int) { used_at_[static_cast<size_t>(unit)] = ++now_; }

int LruPolicy::victim(std::span<const uint8_t> droppable) {
  int oldest = -1;
  for (size_t i = 0; i < used_at_.size(); ++i) {
    if (droppable[i] == 0) continue;
    if (oldest < 0 || used_at_[i] < used_at_[static_cast<size_t>(oldest)])
      oldest = static_cast<int>(i);
  }
  return oldest;
}

}  // namespace issun::experts
