// The rotation of each position: cos and sin rows, computed once for a batch and used by all
// layers.
#pragma once

#include <span>
#include <vector>

#include "model/config.h"

namespace issun::model {

class Rope {
 public:
  // `factors` divide the frequencies (Llama 3.1 and later); empty for none. Error: factors or
  // scaling that make a frequency or the magnitude anything but a positive number.
  static Result<Rope> create(const RopeConfig& config, std::span<const float> factors);

  int pairs() const { return static_cast<int>(frequencies_.size()); }
  // cos and sin (each `pairs()` long) of one position, times the magnitude.
  void fill(int position, float* cos, float* sin) const;

 private:
  std::vector<double> frequencies_;  // radians a position
  double magnitude_ = 1;
};

struct Weights;

// The file's frequency divisors for one kind of rotation, or none. Which of two holds depends on
// how long the context may become, not on how long it is: it must not change in the middle of a
// text.
std::span<const float> rope_factors(const RopeConfig& rope, const Weights& weights,
                                    int64_t context);

}  // namespace issun::model
