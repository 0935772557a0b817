// Levels that values of a group are rounded to: evenly spaced about zero or between two ends, or
// those of a codebook. Scales and offsets are kept as F16, as blocks of files keep them.
#pragma once

#include <functional>
#include <span>

#include "quantize/lab/loss.h"
#include "quantize/lab/sample.h"

namespace issun::quantize::lab {

constexpr double kScaleBits = 16;  // of a scale, an offset, an entry of a codebook

struct Grid {
  float scale = 0, offset = 0;  // value = scale * code + offset
  int low = 0, high = 0;        // codes
  bool signs = false;           // the codes are -1 and 1 alone
  std::span<const float> book;  // ascending; where there is one: value = scale * entry

  float nearest(float x) const;
};

// "levels" is how many values a code tells apart: 2, 3 (ternary), 4, 8, 16, ...

// About zero, as many codes below as above it ("restricted range"): of an even number of levels one
// is not used. levels: 3 or more.
Grid symmetric(double largest, int levels);
// About zero, one code more on the side of the largest magnitude, which it hits ("full range"). An
// even number of levels.
Grid full_range(std::span<const float> values, int levels);
// Between two ends that are levels themselves; zero need not be one.
Grid asymmetric(double least, double most, int levels);
// -1, 0 and 1 times the mean magnitude (BitNet b1.58, Ma et al. 2024), or -1 and 1 times it
// (XNOR-Net, Rastegari et al. 2016). levels: 3 or 2.
Grid mean_magnitude(std::span<const float> values, int levels);
// Entries in [-1, 1], times the largest magnitude.
Grid from_book(std::span<const float> values, std::span<const float> book);

double largest_magnitude(std::span<const float> values);

// A group's grid from its values.
using FitGrid = std::function<Grid(std::span<const float> values)>;

struct Storage {
  double code_bits = 0;   // of a value
  double group_bits = 0;  // of a group: its scale, its offset
  double once_bits = 0;   // of the whole: a codebook
};

// Rounds every group of the sample to its own grid.
Loss round_groups(const Sample& sample, const Granularity& granularity, const Storage& storage,
                  const FitGrid& fit);

}  // namespace issun::quantize::lab
