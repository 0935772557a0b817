#include "quantize/lab/rescale.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "quantize/lab/grid.h"

namespace issun::quantize::lab {

namespace {

constexpr int kMostShift = 62;
constexpr int kHighest = 127;

int32_t held(double code) {
  return static_cast<int32_t>(std::clamp(code, -double{kHighest}, double{kHighest}));
}

}  // namespace

double Dyadic::value() const { return std::ldexp(multiplier, -shift); }

Dyadic dyadic_of(double factor, int bits) {
  CHECK_THAT(bits >= 1 && bits <= 31 && factor > 0);
  int exponent = 0;
  const double fraction = std::frexp(factor, &exponent);  // in [1/2, 1)
  int64_t multiplier = std::llround(std::ldexp(fraction, bits));
  int shift = bits - exponent;
  if (multiplier == int64_t{1} << bits) {  // rounded up to the next power
    multiplier /= 2;
    --shift;
  }
  if (shift < 1) return {static_cast<int32_t>((int64_t{1} << bits) - 1), 1};
  if (shift > kMostShift) {
    multiplier = std::llround(std::ldexp(factor, kMostShift));
    shift = kMostShift;
  }
  return {static_cast<int32_t>(multiplier), shift};
}

int32_t rescale(int32_t sum, Dyadic dyadic) {
  const int64_t product = int64_t{sum} * dyadic.multiplier;
  const int64_t rounded = (product + (int64_t{1} << (dyadic.shift - 1))) >> dyadic.shift;
  return static_cast<int32_t>(std::clamp<int64_t>(rounded, INT32_MIN, INT32_MAX));
}

Codes8 to_codes8(std::span<const float> values, int64_t columns, bool per_row) {
  Codes8 result;
  result.codes.resize(values.size());
  const size_t width = per_row ? static_cast<size_t>(columns) : std::max<size_t>(1, values.size());
  for (size_t first = 0; first < values.size(); first += width) {
    const auto row = values.subspan(first, width);
    const double scale = largest_magnitude(row) / kHighest;
    result.scales.push_back(scale);
    for (size_t i = 0; i < width; ++i) {
      const double code = scale > 0 ? std::nearbyint(row[i] / scale) : 0;
      result.codes[first + i] = static_cast<int8_t>(held(code));
    }
  }
  return result;
}

int32_t dot(std::span<const int8_t> a, std::span<const int8_t> b) {
  int32_t sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += int32_t{a[i]} * b[i];
  return sum;
}

namespace {

struct Products {
  std::vector<double> floats;   // (rows, tokens)
  std::vector<int32_t> sums;    // of codes
  std::vector<double> factors;  // of each row: from sums to codes of the result
  double scale = 0;             // of the result
};

Products multiply(std::span<const float> weights, std::span<const float> inputs, int64_t columns) {
  const auto width = static_cast<size_t>(columns);
  const Codes8 w = to_codes8(weights, columns, true), x = to_codes8(inputs, columns, false);
  const size_t rows = weights.size() / width, tokens = inputs.size() / width;
  Products all;
  double largest = 0;
  for (size_t r = 0; r < rows; ++r) {
    for (size_t t = 0; t < tokens; ++t) {
      double exact = 0;
      for (size_t c = 0; c < width; ++c)
        exact += static_cast<double>(weights[r * width + c]) * inputs[t * width + c];
      largest = std::max(largest, std::abs(exact));
      all.floats.push_back(exact);
      all.sums.push_back(dot(std::span(w.codes).subspan(r * width, width),
                             std::span(x.codes).subspan(t * width, width)));
    }
  }
  all.scale = largest / kHighest;
  for (size_t r = 0; r < rows; ++r)
    all.factors.push_back(all.scale > 0 ? w.scales[r] * x.scales[0] / all.scale : 0);
  return all;
}

}  // namespace

std::vector<RescaleError> compare_rescales(std::span<const float> weights,
                                           std::span<const float> inputs, int64_t columns,
                                           std::span<const int> multiplier_bits) {
  CHECK_THAT(columns >= 1 && columns <= 1 << 17);
  std::vector<RescaleError> result(1);
  for (const int bits : multiplier_bits) result.push_back({.bits = bits});
  if (weights.empty() || inputs.empty()) return result;
  const Products all = multiply(weights, inputs, columns);
  const size_t tokens = inputs.size() / static_cast<size_t>(columns);
  for (RescaleError& error : result) {
    double off = 0, squares = 0;
    for (size_t i = 0; i < all.sums.size(); ++i) {
      const double factor = all.factors[i / tokens];
      const int32_t by_float = held(std::nearbyint(all.sums[i] * factor));
      int32_t code = by_float;
      if (error.bits > 0 && factor > 0)
        code = held(rescale(all.sums[i], dyadic_of(factor, error.bits)));
      const int64_t difference = std::abs(int64_t{code} - by_float);
      ++error.values;
      error.differing += difference > 0;
      error.largest = std::max(error.largest, difference);
      error.mean += static_cast<double>(difference);
      off += std::pow(all.floats[i] - all.scale * code, 2);
      squares += all.floats[i] * all.floats[i];
    }
    error.mean /= static_cast<double>(error.values);
    error.relative = squares > 0 ? std::sqrt(off / squares) : 0;
  }
  return result;
}

}  // namespace issun::quantize::lab
