// Where to clip: the magnitude that becomes the outermost level of a symmetric grid. A wide range
// rounds coarsely, a narrow one cuts off.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace issun::quantize::lab {

// The magnitude that this share of the values does not exceed; 1: the largest.
double percentile_clip(std::span<const float> values, double share);

// The clip whose rounded histogram is nearest to the values' own in the sense of Kullback and
// Leibler: the entropy calibration of TensorRT (Migacz 2017), whose 128 bins of 8 bits become
// levels / 2 here. 2048 bins of magnitudes.
double kl_clip(std::span<const float> values, int levels);

struct ClipError {
  double clip;
  double rounding, clipping;  // mean squared error inside and outside of the range
  double total() const { return rounding + clipping; }
};
// At `steps` even parts of the largest magnitude, smallest first; weights as in Sample.
std::vector<ClipError> clip_errors(std::span<const float> values, std::span<const float> weights,
                                   int levels, int steps);
// The clip of the least mean squared error among `steps`, and then among 20 finer ones about it; 0
// where all values are 0.
double mse_clip(std::span<const float> values, std::span<const float> weights, int levels,
                int steps = 100);

}  // namespace issun::quantize::lab
