// Numbers by 32-bit keys, where most keys have one: a hash table without a node for each entry.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace issun::grammar {

class NumberTable {
 public:
  static constexpr uint32_t kNone = 0xFFFFFFFF;

  NumberTable() : slots_(kFirstSlots) {}

  // The number under the key for which same(number) holds, or kNone.
  template <class Same>
  uint32_t find(uint32_t key, Same same) const {
    for (size_t at = first_slot(key);; at = (at + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[at];
      if (slot.number == kNone) return kNone;
      if (slot.key == key && same(slot.number)) return slot.number;
    }
  }
  // For a key that has one number at most.
  uint32_t find(uint32_t key) const {
    return find(key, [](uint32_t) { return true; });
  }

  // Beside what the key has already.
  void add(uint32_t key, uint32_t number) {
    if (++used_ * 2 > slots_.size()) grow();
    put({.key = key, .number = number});
  }

  void clear() {
    slots_.assign(kFirstSlots, {});
    shift_ = kFirstShift;
    used_ = 0;
  }

 private:
  struct Slot {
    uint32_t key = 0, number = kNone;
  };
  static constexpr size_t kFirstSlots = 4096;
  static constexpr int kFirstShift = 32 - 12;

  size_t first_slot(uint32_t key) const { return (key * 0x9e3779b9u) >> shift_; }
  void put(const Slot& slot) {
    size_t at = first_slot(slot.key);
    while (slots_[at].number != kNone) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = slot;
  }
  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    --shift_;
    for (const Slot& slot : old) {
      if (slot.number != kNone) put(slot);
    }
  }

  std::vector<Slot> slots_;
  int shift_ = kFirstShift;
  size_t used_ = 0;
};

}  // namespace issun::grammar
