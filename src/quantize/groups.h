// What the encoders share: a piece of a row with its weights, and the searches by kind of code.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>

#include "kernels/search.h"
#include "tensor/half.h"

namespace issun::quantize {

using kernels::Group;
using kernels::Levels;
using kernels::Line;
using kernels::Range;
using kernels::SearchTable;

// The values of a block, what each squared error counts, and the searches to use.
struct Part {
  const SearchTable& search;
  const float* x;
  const float* weights;

  Group group(int first, int n) const { return {x + first, weights + first, n}; }

  void errors(const kernels::Groups& g, const Range& codes, const kernels::Lines& lines,
              float* out) const {
    search.errors_of_range(&g, &codes, &lines, out);
  }
  void errors(const kernels::Groups& g, const Levels& codes, const kernels::Lines& lines,
              float* out) const {
    search.errors_of_levels(&g, &codes, &lines, out);
  }
  void sums(const kernels::Groups& g, const Range& codes, const kernels::Lines& lines,
            kernels::CodeSums* out) const {
    search.sums_of_range(&g, &codes, &lines, out);
  }
  void sums(const kernels::Groups& g, const Levels& codes, const kernels::Lines& lines,
            kernels::CodeSums* out) const {
    search.sums_of_levels(&g, &codes, &lines, out);
  }
  void fit_all(const kernels::Groups& g, const Range& codes, std::span<const float> tries,
               float* scales) const {
    search.fit_ranges(&g, &codes, tries.data(), static_cast<int>(tries.size()), kPolishAll, scales);
  }
  void fit_all(const kernels::Groups& g, const Levels& codes, std::span<const float> tries,
               float* scales) const {
    search.fit_tables(&g, &codes, tries.data(), static_cast<int>(tries.size()), kPolishAll, scales);
  }
  float fit(const Group& g, const Range& codes, std::span<const float> inverses) const {
    return search.fit_range(&g, &codes, inverses.data(), static_cast<int>(inverses.size()),
                            kPolish);
  }
  float fit(const Group& g, const Levels& codes, std::span<const float> inverses) const {
    return search.fit_levels(&g, &codes, inverses.data(), static_cast<int>(inverses.size()),
                             kPolish);
  }
  float error(const Group& g, const Range& codes, float scale) const {
    return search.error_range(&g, &codes, {scale, 0});
  }
  float error(const Group& g, const Levels& codes, float scale) const {
    return search.error_levels(&g, &codes, scale);
  }
  void round(const Group& g, const Range& codes, float scale, int8_t* out) const {
    search.round_range(&g, &codes, {scale, 0}, out);
  }
  void round(const Group& g, const Levels& codes, float scale, int8_t* out) const {
    search.round_levels(&g, &codes, scale, out);
  }

  // Rounds of refinement after the tries of a fit.
  static constexpr int kPolish = 4, kPolishAll = 2;
};

// Sixteen groups of a part side by side.
class Lanes {
 public:
  Lanes(const Part& part, int size) : groups_{x_, weights_, size} {
    part.search.side_by_side(part.x, size, x_);
    part.search.side_by_side(part.weights, size, weights_);
    for (int i = 0; i < size; ++i) {
      for (int g = 0; g < 16; ++g) {
        weight_[g] += weights_[16 * i + g];
        sum_[g] += weights_[16 * i + g] * x_[16 * i + g];
      }
    }
  }
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  const kernels::Groups& groups() const { return groups_; }
  // The sums of a group's weights, and of weight * x.
  float weight(int g) const { return weight_[g]; }
  float sum(int g) const { return sum_[g]; }

 private:
  alignas(64) float x_[512], weights_[512];
  float weight_[16] = {}, sum_[16] = {};
  const kernels::Groups groups_;
};

// The value of the largest magnitude, with its sign.
inline float extreme(const Group& g) {
  float most = 0;
  for (int i = 0; i < g.n; ++i) {
    if (std::fabs(g.x[i]) > std::fabs(most)) most = g.x[i];
  }
  return most;
}

// As binary16, held within what is finite there; not a number becomes 0.
inline uint16_t held_f16(double x) {
  if (!(x == x)) return 0;
  return f32_to_f16(static_cast<float>(std::clamp(x, -65504.0, 65504.0)));
}

}  // namespace issun::quantize
