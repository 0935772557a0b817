// The optimum of a layer's cache, with the future known. A unit is worth keeping from one visit to
// the next if the next counts; of those, as many as there are slots stay after each batch, those
// whose next visit is soonest. That is the largest set of such spans of which never more than
// `slots` overlap, hence the most counted hits that any choice can have.
#pragma once

#include "experts/replay.h"

namespace issun::experts {

class Belady {
 public:
  // Both must outlive it.
  Belady(const LayerVisits& layer, std::span<const uint8_t> counted, int slots);
  bool has(int unit) const { return resident_[static_cast<size_t>(unit)] != 0; }
  // Batch after batch, from the first.
  void visit(int batch);

 private:
  const LayerVisits& layer_;
  int slots_, count_ = 0;
  std::vector<int32_t> next_;  // of each visit: the batch of the unit's next, if that counts
  std::vector<int32_t> due_;   // of each unit in memory: the same of its last visit
  std::vector<uint8_t> resident_;
};

}  // namespace issun::experts
