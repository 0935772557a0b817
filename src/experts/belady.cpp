#include "experts/belady.h"

#include <limits>

namespace issun::experts {

namespace {

constexpr int32_t kNever = std::numeric_limits<int32_t>::max();

}  // namespace

Belady::Belady(const LayerVisits& layer, std::span<const uint8_t> counted, int slots)
    : layer_(layer),
      slots_(slots),
      next_(layer.unit.size()),
      due_(static_cast<size_t>(layer.units), kNever),
      resident_(static_cast<size_t>(layer.units)) {
  for (size_t b = counted.size(); b-- > 0;) {
    for (auto i = static_cast<size_t>(layer.begin[b]); i < static_cast<size_t>(layer.begin[b + 1]);
         ++i) {
      int32_t& due = due_[static_cast<size_t>(layer.unit[i])];
      next_[i] = due;
      due = counted[b] != 0 ? static_cast<int32_t>(b) : kNever;
    }
  }
}

void Belady::visit(int batch) {
  const auto b = static_cast<size_t>(batch);
  for (auto i = static_cast<size_t>(layer_.begin[b]); i < static_cast<size_t>(layer_.begin[b + 1]);
       ++i) {
    const auto unit = static_cast<size_t>(layer_.unit[i]);
    count_ += resident_[unit] == 0;
    resident_[unit] = 1;
    due_[unit] = next_[i];
  }
  for (; count_ > slots_; --count_) {
    size_t latest = resident_.size();
    for (size_t unit = 0; unit < resident_.size(); ++unit) {
      if (resident_[unit] != 0 && (latest == resident_.size() || due_[unit] > due_[latest]))
        latest = unit;
    }
    resident_[latest] = 0;
  }
}

}  // namespace issun::experts
