#include "train/packing.h"

#include <algorithm>

namespace issun::train {

Bins pack_first_fit(std::span<const int32_t> lengths, int size, int lookahead) {
  Bins bins;
  bins.begin = {0};
  std::vector<int32_t> waiting;  // the next items that are in no bin, in order
  size_t next = 0;
  for (;;) {
    while (next < lengths.size() && waiting.size() < static_cast<size_t>(lookahead) + 1) {
      waiting.push_back(static_cast<int32_t>(next++));
    }
    if (waiting.empty()) return bins;
    int room = size;
    const auto taken = std::remove_if(waiting.begin(), waiting.end(), [&](int32_t item) {
      const int length = lengths[static_cast<size_t>(item)];
      if (length > room) return false;
      room -= length;
      bins.items.push_back(item);
      return true;
    });
    waiting.erase(taken, waiting.end());
    bins.begin.push_back(static_cast<int64_t>(bins.items.size()));
  }
}

}  // namespace issun::train
