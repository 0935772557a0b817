#include "quantize/lab/grid.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "tensor/half.h"

namespace issun::quantize::lab {

namespace {

float as_f16(double x) {
  return f16_to_f32(f32_to_f16(static_cast<float>(std::clamp(x, -65504.0, 65504.0))));
}

}  // namespace

float Grid::nearest(float x) const {
  if (scale == 0) return offset;
  if (!book.empty()) {
    const float wanted = x / scale;
    const auto above = std::lower_bound(book.begin(), book.end(), wanted);
    if (above == book.begin()) return scale * book.front();
    if (above == book.end()) return scale * book.back();
    return scale * (wanted - above[-1] <= *above - wanted ? above[-1] : *above);
  }
  if (signs) return x < 0 ? -scale : scale;
  const float code = std::clamp(std::nearbyint((x - offset) / scale), static_cast<float>(low),
                                static_cast<float>(high));
  return scale * code + offset;
}

double largest_magnitude(std::span<const float> values) {
  float most = 0;
  for (const float x : values) most = std::max(most, std::fabs(x));
  return most;
}

Grid symmetric(double largest, int levels) {
  CHECK_THAT(levels >= 3);
  const int half = (levels - 1) / 2;
  return {.scale = as_f16(largest / half), .low = -half, .high = half, .book = {}};
}

Grid full_range(std::span<const float> values, int levels) {
  CHECK_THAT(levels >= 2 && levels % 2 == 0);
  float extreme = 0;
  for (const float x : values) {
    if (std::fabs(x) > std::fabs(extreme)) extreme = x;
  }
  const int half = levels / 2;
  return {.scale = as_f16(extreme / -half), .low = -half, .high = half - 1, .book = {}};
}

Grid asymmetric(double least, double most, int levels) {
  CHECK_THAT(levels >= 2);
  return {.scale = as_f16((most - least) / (levels - 1)),
          .offset = as_f16(least),
          .high = levels - 1,
          .book = {}};
}

Grid mean_magnitude(std::span<const float> values, int levels) {
  CHECK_THAT(levels == 2 || levels == 3);
  double sum = 0;
  for (const float x : values) sum += std::fabs(x);
  const float mean = values.empty() ? 0 : as_f16(sum / static_cast<double>(values.size()));
  return {.scale = mean, .low = -1, .high = 1, .signs = levels == 2, .book = {}};
}

Grid from_book(std::span<const float> values, std::span<const float> book) {
  return {.scale = as_f16(largest_magnitude(values)), .book = book};
}

Loss round_groups(const Sample& sample, const Granularity& granularity, const Storage& storage,
                  const FitGrid& fit) {
  Loss loss;
  int64_t groups = 0;
  for_each_group(sample, granularity, [&](int64_t first, int64_t count) {
    const auto begin = static_cast<size_t>(first), size = static_cast<size_t>(count);
    const Grid grid = fit(sample.values.subspan(begin, size));
    for (size_t i = begin; i < begin + size; ++i) {
      loss.add(sample.values[i], grid.nearest(sample.values[i]),
               sample.weighted() ? sample.weights[i] : 1);
    }
    ++groups;
  });
  loss.bits = storage.code_bits * static_cast<double>(loss.values) +
              storage.group_bits * static_cast<double>(groups) + storage.once_bits;
  return loss;
}

}  // namespace issun::quantize::lab
