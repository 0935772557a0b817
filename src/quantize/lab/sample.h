// Rows of a matrix as the laboratory looks at them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>

namespace issun::quantize::lab {

struct Sample {
  std::span<const float> values;   // (rows, columns), finite
  int64_t columns = 0;             // at least 1
  std::span<const float> weights;  // (rows, columns) importance, 0 or more; empty: all alike

  int64_t rows() const { return static_cast<int64_t>(values.size()) / columns; }
  bool weighted() const { return !weights.empty(); }
};

// Which values share a scale. Groups never cross rows, but that of the whole matrix; the last one
// of a row is shorter where the row does not divide.
struct Granularity {
  enum class Kind { Tensor, Row, Group } kind = Kind::Group;
  int64_t size = 32;  // of Group
};

// Calls body(first, count) for every group of the sample, in order.
inline void for_each_group(const Sample& sample, const Granularity& granularity,
                           const std::function<void(int64_t first, int64_t count)>& body) {
  const auto all = static_cast<int64_t>(sample.values.size());
  if (granularity.kind == Granularity::Kind::Tensor) {
    if (all > 0) body(0, all);
    return;
  }
  const int64_t size =
      granularity.kind == Granularity::Kind::Row ? sample.columns : granularity.size;
  for (int64_t row = 0; row < all; row += sample.columns) {
    for (int64_t c = 0; c < sample.columns; c += size)
      body(row + c, std::min(size, sample.columns - c));
  }
}

}  // namespace issun::quantize::lab
