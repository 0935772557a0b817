// Which experts of one layer stay in memory when there is room for some of them. Not here: the
// memory, and how many there is room for.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

namespace issun::experts {

enum class PolicyKind {
  Lru,     // the least recently used goes
  Lfu,     // the least often used goes; uses are forgotten slowly
  Lfru,    // the least likely used next goes; how fast uses are forgotten is learnt on the way
  S3Fifo,  // three queues: newcomers, proven ones, and the names of newcomers that went unproven
};

const char* name(PolicyKind kind);  // "lru", "lfu", "lfru", "s3fifo"
std::optional<PolicyKind> policy_from_name(std::string_view name);

// Of one layer; its units (experts) are 0..units-1. A batch of tokens is told as: use() of each
// unit it visits, admit() of those that were missing (before or after the other uses), then
// victim() and drop() until as many are left as there is room for. Deterministic; nothing is
// allocated after create().
class Policy {
 public:
  static std::unique_ptr<Policy> create(PolicyKind kind, int units);
  virtual ~Policy() = default;

  // A router chose it for `tokens` >= 1 tokens of a batch. Once a batch, before admit() where it
  // was missing.
  virtual void use(int unit, int tokens) = 0;
  // It is in memory from now on.
  virtual void admit(int unit) = 0;
  // It is in memory no longer.
  virtual void drop(int unit) = 0;
  // Which of the units with droppable[unit] != 0, all of them in memory, to give up; at least one
  // is droppable. It may be one admitted just now: so admission is refused. What comes next is
  // drop() of it.
  virtual int victim(std::span<const uint8_t> droppable) = 0;
};

}  // namespace issun::experts
