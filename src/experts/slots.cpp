#include "experts/slots.h"

#include <algorithm>

#include "base/check.h"
#include "base/pages.h"

namespace issun::experts {

Result<Slots> Slots::create(int64_t budget_bytes, int64_t smallest, int64_t largest) {
  CHECK_THAT(smallest > 0 && smallest <= largest && largest % Source::kBlock == 0);
  Slots slots;
  slots.budget_ = budget_bytes;
  slots.stride_ = largest;
  const int64_t count = budget_bytes / smallest;
  if (count > 1 << 24) return fail("slots: expected at most {}, found {}", 1 << 24, count);
  // Slots of different sizes share the budget: those that hold less give back what lies behind, and
  // so must not be made of huge pages.
  slots.arena_ = TRY(AlignedBuffer::reserve(count * largest, smallest == largest));
  slots.held_by_.assign(static_cast<size_t>(count), 0);
  slots.free_.reserve(static_cast<size_t>(count));
  return slots;
}

void Slots::shrink(int slot, int64_t bytes) {
  int64_t& held = held_by_[static_cast<size_t>(slot)];
  forget_pages({memory(slot) + bytes, static_cast<size_t>(held - bytes)});
  held_ -= held - bytes;
  held = bytes;
}

int Slots::take(int64_t bytes) {
  CHECK_THAT(bytes <= stride_);
  const auto held = [&](int slot) { return held_by_[static_cast<size_t>(slot)]; };
  // The least that suffices; else the largest.
  auto best = free_.end();
  for (auto it = free_.begin(); it != free_.end(); ++it) {
    const bool suffices = held(*it) >= bytes;
    if (best == free_.end() || (suffices && (held(*best) < bytes || held(*it) < held(*best))) ||
        (!suffices && held(*best) < bytes && held(*it) > held(*best))) {
      best = it;
    }
  }
  const bool fresh = best == free_.end() || held(*best) < bytes;
  const bool can_be_fresh = untouched_ < static_cast<int>(held_by_.size());
  if (best == free_.end() && !can_be_fresh) return -1;
  // A slot that is grown holds less than a new one takes.
  const int64_t had = best == free_.end() ? 0 : held(*best);
  for (size_t i = 0; fresh && held_ - had + bytes > budget_ && i < free_.size(); ++i) {
    if (best == free_.end() || free_[i] != *best) shrink(free_[i], 0);
  }
  if (fresh && held_ - had + bytes > budget_) return -1;
  int slot = untouched_;
  if (best == free_.end()) {
    ++untouched_;
  } else {
    slot = *best;
    free_.erase(best);
  }
  int64_t& holds = held_by_[static_cast<size_t>(slot)];
  held_ += std::max<int64_t>(0, bytes - holds);
  holds = std::max(holds, bytes);
  return slot;
}

void Slots::give_back(int slot) { free_.push_back(slot); }

}  // namespace issun::experts
