#include "quantize/lab/allocation.h"

namespace issun::quantize::lab {

Allocation same_width(std::span<const Widths> tensors, int index) {
  Allocation result;
  for (const Widths& widths : tensors) {
    const Width& width = widths[static_cast<size_t>(index)];
    result.chosen.push_back(index);
    result.bits += width.bits;
    result.error += width.error;
  }
  return result;
}

Allocation greedy(std::span<const Widths> tensors, double budget_bits,
                  std::vector<Allocation>* path) {
  Allocation now = same_width(tensors, 0);
  if (path != nullptr) path->push_back(now);
  for (;;) {
    double best_gain = 0;
    size_t best_tensor = 0;
    int best_index = -1;
    for (size_t t = 0; t < tensors.size(); ++t) {
      const Width& from = tensors[t][static_cast<size_t>(now.chosen[t])];
      for (size_t i = static_cast<size_t>(now.chosen[t]) + 1; i < tensors[t].size(); ++i) {
        const Width& to = tensors[t][i];
        const double bits = to.bits - from.bits;
        if (now.bits + bits > budget_bits || bits <= 0) continue;
        const double gain = (from.error - to.error) / bits;
        if (gain > best_gain) {
          best_gain = gain;
          best_tensor = t;
          best_index = static_cast<int>(i);
        }
      }
    }
    if (best_index < 0) return now;
    const Widths& widths = tensors[best_tensor];
    const Width& from = widths[static_cast<size_t>(now.chosen[best_tensor])];
    const Width& to = widths[static_cast<size_t>(best_index)];
    now.bits += to.bits - from.bits;
    now.error += to.error - from.error;
    now.chosen[best_tensor] = best_index;
    if (path != nullptr) path->push_back(now);
  }
}

}  // namespace issun::quantize::lab
