// Three queues after S3-FIFO (Yang et al., FIFO queues are all you need for cache eviction, SOSP
// 2023): newcomers enter a small one and leave memory at its end unless they were used again; those
// go to the main one, where a use buys another round. A newcomer that went is remembered for a
// while, and enters the main queue if it comes back.
#pragma once

#include <vector>

#include "experts/policy.h"

namespace issun::experts {

class S3FifoPolicy : public Policy {
 public:
  explicit S3FifoPolicy(int units) : units_(static_cast<size_t>(units)) {}
  void use(int unit, int tokens) override;
  void admit(int unit) override;
  void drop(int unit) override;
  int victim(std::span<const uint8_t> droppable) override;

 private:
  enum class Queue : uint8_t { None, Small, Main, Ghost };
  struct Unit {
    Queue queue = Queue::None;
    int rounds = 0;         // uses since it came or was let off, at most kMostRounds
    int64_t queued_at = 0;  // its place in the queue
  };
  static constexpr int kMostRounds = 3;
  static constexpr int kSmallShare = 10;  // the small queue has a tenth

  void enqueue(int unit, Queue queue);
  // The oldest in a queue; -1: none that is droppable. No `droppable`: any.
  int oldest(Queue queue, std::span<const uint8_t> droppable = {}) const;
  int count(Queue queue) const;

  int64_t now_ = 0;
  std::vector<Unit> units_;
};

}  // namespace issun::experts
