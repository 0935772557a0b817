// Memory for weights that come and go: places of any size within one budget of bytes.
#pragma once

#include <span>
#include <vector>

#include "base/memory.h"
#include "experts/source.h"

namespace issun::experts {

class Slots {
 public:
  // Room for `budget_bytes` of things between `smallest` and `largest` bytes, all multiples of
  // Source::kBlock. Address space alone is taken now; memory when it is written to. Error: the
  // system refuses.
  static Result<Slots> create(int64_t budget_bytes, int64_t smallest, int64_t largest);

  // A slot of at least `bytes`, its content whatever it was; -1: not without giving one back.
  int take(int64_t bytes);
  void give_back(int slot);
  std::byte* memory(int slot) const { return arena_.data() + slot * stride_; }
  int64_t budget_bytes() const { return budget_; }
  int64_t held_bytes() const { return held_; }  // by all slots, also those given back

 private:
  void shrink(int slot, int64_t bytes);

  AlignedBuffer arena_;
  int64_t budget_ = 0, stride_ = 0, held_ = 0;
  std::vector<int64_t> held_by_;  // (slots): bytes that have been written to
  std::vector<int> free_;         // given back
  int untouched_ = 0;             // slots from here on were never taken
};

}  // namespace issun::experts
