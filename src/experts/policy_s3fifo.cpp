#include "experts/policy_s3fifo.h"

#include <algorithm>

namespace issun::experts {

void S3FifoPolicy::enqueue(int unit, Queue queue) {
  Unit& of = units_[static_cast<size_t>(unit)];
  of.queue = queue;
  of.queued_at = ++now_;
}

int S3FifoPolicy::oldest(Queue queue, std::span<const uint8_t> droppable) const {
  int found = -1;
  for (size_t i = 0; i < units_.size(); ++i) {
    if (units_[i].queue != queue || (!droppable.empty() && droppable[i] == 0)) continue;
    if (found < 0 || units_[i].queued_at < units_[static_cast<size_t>(found)].queued_at)
      found = static_cast<int>(i);
  }
  return found;
}

int S3FifoPolicy::count(Queue queue) const {
  return static_cast<int>(std::count_if(units_.begin(), units_.end(),
                                        [&](const Unit& unit) { return unit.queue == queue; }));
}

void S3FifoPolicy::use(int unit, int) {
  Unit& of = units_[static_cast<size_t>(unit)];
  if (of.queue == Queue::Small || of.queue == Queue::Main)
    of.rounds = std::min(of.rounds + 1, kMostRounds);
}

void S3FifoPolicy::admit(int unit) {
  Unit& of = units_[static_cast<size_t>(unit)];
  of.rounds = 0;
  enqueue(unit, of.queue == Queue::Ghost ? Queue::Main : Queue::Small);
}

void S3FifoPolicy::drop(int unit) {
  const bool unproven = units_[static_cast<size_t>(unit)].queue == Queue::Small;
  enqueue(unit, unproven ? Queue::Ghost : Queue::None);
  // As many are remembered as the main queue has.
  for (int left = count(Queue::Ghost) - std::max(1, count(Queue::Main)); left > 0; --left)
    enqueue(oldest(Queue::Ghost), Queue::None);
}

int S3FifoPolicy::victim(std::span<const uint8_t> droppable) {
  // Every step ends, moves a unit out of the small queue or takes a round away.
  while (true) {
    const int small = oldest(Queue::Small, droppable), main = oldest(Queue::Main, droppable);
    const int newcomers = count(Queue::Small);
    const int room = std::max(1, (newcomers + count(Queue::Main)) / kSmallShare);
    const bool from_small = main < 0 || (small >= 0 && newcomers > room);
    Unit& candidate = units_[static_cast<size_t>(from_small ? small : main)];
    if (candidate.rounds == 0) return from_small ? small : main;
    candidate.rounds = from_small ? 0 : candidate.rounds - 1;
    enqueue(from_small ? small : main, Queue::Main);
  }
}

}  // namespace issun::experts
