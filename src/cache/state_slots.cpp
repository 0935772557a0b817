#include "cache/state_slots.h"

#include <cstring>

#include "base/check.h"

namespace issun::cache {

int64_t StateSlots::lay_out(std::span<const StateLayerShape> layers, std::vector<Place>* places) {
  Arena slot;
  for (const StateLayerShape& layer : layers) {
    const Place place{slot.reserve<float>(layer.window).offset,
                      slot.reserve<float>(layer.memory).offset};
    if (places != nullptr) places->push_back(place);
  }
  return slot.planned_bytes();
}

int64_t StateSlots::planned_bytes(std::span<const StateLayerShape> layers, int64_t slots) {
  return saturating_mul(lay_out(layers, nullptr), slots);
}

Result<StateSlots> StateSlots::create(std::span<const StateLayerShape> layers, int64_t slots) {
  StateSlots made;
  made.slot_bytes_ = lay_out(layers, &made.places_);
  made.buffer_ = TRY(AlignedBuffer::create(planned_bytes(layers, slots)));
  // The lowest slot is handed out first, so that what is never needed is never touched.
  for (int64_t i = slots; i-- > 0;) made.free_.push_back(static_cast<int32_t>(i));
  return made;
}

int32_t StateSlots::take() {
  if (free_.empty()) return kNoSlot;
  const int32_t slot = free_.back();
  free_.pop_back();
  std::memset(at(slot, 0), 0, static_cast<size_t>(slot_bytes_));
  return slot;
}

void StateSlots::release(int32_t& slot) {
  if (slot != kNoSlot) free_.push_back(slot);
  slot = kNoSlot;
}

void StateSlots::copy(int32_t from, int32_t to) const {
  CHECK_THAT(from != kNoSlot && to != kNoSlot);
  std::memcpy(at(to, 0), at(from, 0), static_cast<size_t>(slot_bytes_));
}

}  // namespace issun::cache
