// Products of whole numbers back to whole numbers without a float: the scale as a whole multiplier
// and a shift (Jacob et al. 2018, section 2.2).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace issun::quantize::lab {

// multiplier * 2^-shift.
struct Dyadic {
  int32_t multiplier = 0;
  int shift = 1;  // 1 to 62
  double value() const;
};

// The nearest number with a multiplier of `bits` bits, 1 to 31, to a factor above 0. Factors from
// 2^(bits - 1) on become the largest there is, those below 2^-62 are 0.
Dyadic dyadic_of(double factor, int bits);

// sum * dyadic, rounded to the nearest, halves up. 64-bit arithmetic, exact, for any sum.
int32_t rescale(int32_t sum, Dyadic dyadic);

// Signed codes of 8 bits, -127 to 127, and their scale.
struct Codes8 {
  std::vector<int8_t> codes;   // (rows, columns)
  std::vector<double> scales;  // of each row, or of all
};
// per_row: a scale for each row instead of one for all; scales are the largest magnitude over 127.
Codes8 to_codes8(std::span<const float> values, int64_t columns, bool per_row);

// sum_c a[c] b[c].
int32_t dot(std::span<const int8_t> a, std::span<const int8_t> b);

struct RescaleError {
  int bits = 0;                       // of the multiplier; 0: the float itself
  int64_t values = 0, differing = 0;  // from what the float scale gives
  int64_t largest = 0;                // difference, in units of the result's code
  double mean = 0;                    // magnitude of the difference
  double relative = 0;                // root mean square error against the product in floats
};

// The product of weights (rows, columns) and inputs (tokens, columns), in codes of 8 bits (a scale
// for each row of the weights, one for all inputs, one for all results), with multipliers of so
// many bits; the first entry of the result is the float scale's own. columns: at most 2^17, so that
// the sums fit 32 bits.
std::vector<RescaleError> compare_rescales(std::span<const float> weights,
                                           std::span<const float> inputs, int64_t columns,
                                           std::span<const int> multiplier_bits);

}  // namespace issun::quantize::lab
