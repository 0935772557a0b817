// The least recently used goes; of one batch, what was told first.
#pragma once

#include <vector>

#include "experts/policy.h"

namespace issun::experts {

class LruPolicy : public Policy {
 public:
  explicit LruPolicy(int units) : used_at_(static_cast<size_t>(units)) {}
  void use(int unit, int tokens) override;
  void admit(int) override {}
  void drop(int) override {}
  int victim(std::span<const uint8_t> droppable) override;

 private:
  int64_t now_ = 0;
  std::vector<int64_t> used_at_;  // 0: never
};

}  // namespace issun::experts
