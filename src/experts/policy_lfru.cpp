#include "experts/policy_lfru.h"

#include <algorithm>
#include <cmath>

namespace issun::experts {

LfruPolicy::LfruPolicy(int units) : units_(static_cast<size_t>(units)) {
  for (size_t m = 0; m < kMemories; ++m)
    memories_[m] = {.half_life = kHalfLives[m], .trust = 1.0 / kMemories};
}

double LfruPolicy::likelihood(const Unit& unit, size_t memory) const {
  return (unit.uses[memory] + kPrior) /
         (memories_[memory].uses + kPrior * static_cast<double>(units_.size()));
}

double LfruPolicy::value(const Unit& unit) const {
  double sum = 0;
  for (size_t m = 0; m < kMemories; ++m) sum += memories_[m].trust * likelihood(unit, m);
  return sum;
}

void LfruPolicy::move_trust() {
  std::array<double, kMemories> evidence{};  // logarithms
  for (size_t m = 0; m < kMemories; ++m) {
    for (const Unit& unit : units_) {
      if (unit.tokens > 0) evidence[m] += unit.tokens * std::log(likelihood(unit, m));
    }
    evidence[m] = kLearning * evidence[m] + std::log(memories_[m].trust);
  }
  const double most = *std::max_element(evidence.begin(), evidence.end());
  double sum = 0;
  for (double& of : evidence) sum += of = std::exp(of - most);
  for (size_t m = 0; m < kMemories; ++m)
    memories_[m].trust = (1 - kLent) * evidence[m] / sum + kLent / kMemories;
}

void LfruPolicy::end_batch() {
  if (batch_uses_ == 0) return;
  move_trust();
  const double time = batch_uses_ / static_cast<double>(units_.size());
  for (size_t m = 0; m < kMemories; ++m) {
    Memory& memory = memories_[m];
    const double fading = std::exp2(-time / memory.half_life);
    memory.uses = memory.uses * fading + batch_uses_;
    for (Unit& unit : units_) unit.uses[m] = unit.uses[m] * fading + unit.tokens;
  }
  for (Unit& unit : units_) unit.tokens = 0;
  batch_uses_ = 0;
}

void LfruPolicy::use(int unit, int tokens) {
  Unit& used = units_[static_cast<size_t>(unit)];
  if (used.tokens > 0) end_batch();
  used.tokens = tokens;
  used.used_at = ++now_;
  batch_uses_ += tokens;
}

int LfruPolicy::victim(std::span<const uint8_t> droppable) {
  end_batch();
  int least = -1;
  double least_value = 0;
  for (size_t i = 0; i < units_.size(); ++i) {
    if (droppable[i] == 0) continue;
    const double worth = value(units_[i]);
    if (least >= 0 &&
        (worth > least_value ||
         (worth == least_value && units_[i].used_at >= units_[static_cast<size_t>(least)].used_at)))
      continue;
    least = static_cast<int>(i);
    least_value = worth;
  }
  return least;
}

}  // namespace issun::experts
