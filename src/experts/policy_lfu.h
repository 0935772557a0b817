// The least often used goes; a use counts half after a while. Uses are remembered of units out of
// memory too, so that a newcomer which is rarer than all others is refused.
#pragma once

#include <vector>

#include "experts/policy.h"

namespace issun::experts {

class LfuPolicy : public Policy {
 public:
  explicit LfuPolicy(int units) : units_(static_cast<size_t>(units)) {}
  void use(int unit, int tokens) override;
  void admit(int) override {}
  void drop(int) override {}
  int victim(std::span<const uint8_t> droppable) override;

 private:
  // In uses of the layer per unit, so that it holds for any number of units and of those a token
  // takes: with 8 of 64, it is 32 * 64 / 8 = 256 tokens. Longer ones are up to 2 points better
  // where the text's topic never changes, and up to 9 worse where it does every 500 tokens.
  static constexpr double kHalfLife = 32;

  struct Unit {
    double uses = 0;      // faded
    int64_t used_at = 0;  // 0: never
    bool in_batch = false;
  };
  // Time passes between batches only, so that the order within one means nothing. A batch is over
  // when a unit is used again, or one has to go.
  void end_batch();

  std::vector<Unit> units_;
  double uses_ = 0;  // of this batch
  int64_t now_ = 0;
};

}  // namespace issun::experts
