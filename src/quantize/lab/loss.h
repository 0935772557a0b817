// What a rounding lost: sums over values and what became of them.
#pragma once

#include <cmath>
#include <cstdint>

namespace issun::quantize::lab {

struct Loss {
  int64_t values = 0;
  double squares = 0, errors = 0;                    // of the values, of what they are off by
  double weighted_squares = 0, weighted_errors = 0;  // each counted by its column's importance
  double bits = 0;                                   // all that is stored: codes, scales, tables

  void add(float value, float again, float weight = 1) {
    const double x = value, off = x - static_cast<double>(again);
    ++values;
    squares += x * x;
    errors += off * off;
    weighted_squares += weight * x * x;
    weighted_errors += weight * off * off;
  }
  Loss& operator+=(const Loss& other) {
    values += other.values;
    squares += other.squares;
    errors += other.errors;
    weighted_squares += other.weighted_squares;
    weighted_errors += other.weighted_errors;
    bits += other.bits;
    return *this;
  }

  // Root mean square error in units of the values' own root mean square; 0 where all are 0.
  double relative() const { return squares > 0 ? std::sqrt(errors / squares) : 0; }
  double weighted_relative() const {
    return weighted_squares > 0 ? std::sqrt(weighted_errors / weighted_squares) : 0;
  }
  // Signal to quantisation noise in dB; infinite where nothing was lost.
  double sqnr_db() const { return errors > 0 ? 10 * std::log10(squares / errors) : INFINITY; }
  double bits_per_weight() const { return values > 0 ? bits / static_cast<double>(values) : 0; }
};

}  // namespace issun::quantize::lab
