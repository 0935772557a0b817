// Levels that are not evenly spaced: fitted to values (Lloyd-Max), quantiles of the normal
// distribution, powers of two.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace issun::quantize::lab {

// Values with their weights in order, and sums of them, so that the sums over an interval cost two
// look-ups.
class SortedValues {
 public:
  // weights: of the values, 0 or more; empty: all alike.
  SortedValues(std::span<const float> values, std::span<const float> weights);

  struct Sums {
    double weight, first, second;  // of w, w x, w x^2
  };
  std::span<const float> values() const { return values_; }
  float weight(size_t i) const { return weights_.empty() ? 1 : weights_[i]; }
  // Over the values at [begin, end).
  Sums sums(size_t begin, size_t end) const;
  // How many values are below x.
  size_t below(double x) const;

 private:
  std::vector<float> values_, weights_;
  std::vector<double> weight_, first_, second_;  // of the values before
};

// Levels, ascending, and the weighted mean square error of rounding to the nearest.
struct Codebook {
  std::vector<float> levels;
  double mean_square_error = 0;
};

// Levels that are the means of what is rounded to them (Lloyd 1982, Max 1960), from seeds that are
// drawn far from each other (k-means++, Arthur and Vassilvitskii 2007): the best of some starts,
// one of them even steps. The same seed gives the same levels. At most `levels` of them: as many as
// there are different values.
Codebook lloyd_max(const SortedValues& values, int levels, uint64_t seed);

// The levels of the normal distribution's quantiles in [-1, 1] with an exact zero, one more of them
// above zero than below (NF4 of QLoRA, Dettmers et al. 2023, section 3, for 2^bits levels).
// bits: 2 or more.
std::vector<float> normal_quantiles(int bits);

// 0 and +-2^-k for k = 0, 1, ...: a sign, an exponent and no mantissa; one code is not used.
// bits: 2 to 8.
std::vector<float> powers_of_two(int bits);

// The x below which a share p, 0 < p < 1, of the normal distribution lies.
double normal_quantile(double p);

}  // namespace issun::quantize::lab
