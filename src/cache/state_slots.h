// What recurrent layers remember of a sequence: memory of one size however long the text, in slots.
// A state holds all that was read and cannot be cut back to an earlier position; it can be copied.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/memory.h"

namespace issun::cache {

// What one layer keeps, in floats; nothing for a layer that is not recurrent.
struct StateLayerShape {
  int64_t window = 0;  // the last inputs of a convolution
  int64_t memory = 0;  // the matrices of its heads
};

constexpr int32_t kNoSlot = -1;

class StateSlots {
 public:
  // Bytes that create() will ask for, to the byte; the largest number when they cannot be counted.
  static int64_t planned_bytes(std::span<const StateLayerShape> layers, int64_t slots);
  // Error: memory that cannot be had.
  static Result<StateSlots> create(std::span<const StateLayerShape> layers, int64_t slots);

  int64_t bytes() const { return buffer_.bytes(); }  // of all slots
  int free_slots() const { return static_cast<int>(free_.size()); }
  // A slot as it is before the first token, or kNoSlot.
  int32_t take();
  // Gives a slot back, if it is one, and forgets its number.
  void release(int32_t& slot);
  void copy(int32_t from, int32_t to) const;

  float* window(int layer, int32_t slot) const {
    return at(slot, places_[static_cast<size_t>(layer)].window);
  }
  float* memory(int layer, int32_t slot) const {
    return at(slot, places_[static_cast<size_t>(layer)].memory);
  }

 private:
  struct Place {  // bytes from the beginning of a slot
    int64_t window = 0, memory = 0;
  };
  static int64_t lay_out(std::span<const StateLayerShape> layers, std::vector<Place>* places);
  float* at(int32_t slot, int64_t offset) const {
    return reinterpret_cast<float*>(buffer_.data() + slot * slot_bytes_ + offset);
  }

  AlignedBuffer buffer_;
  int64_t slot_bytes_ = 0;
  std::vector<Place> places_;
  std::vector<int32_t> free_;
};

}  // namespace issun::cache
