// What repeated measurements say: mean, scatter, and how far the mean can be trusted.
#pragma once

#include <span>

namespace issun::measure {

struct Spread {
  int count = 0;
  double mean = 0;
  double deviation = 0;  // of single values; 0 where there is one
  // Half of the 95 % confidence interval of the mean, by Student's t; 0 where there is one value,
  // which says nothing about the next.
  double interval = 0;
};

Spread spread_of(std::span<const double> values);

// The value that Student's t with so many degrees of freedom (at least 1) stays below 97.5 times
// in a hundred.
double student_t_975(int degrees);

}  // namespace issun::measure
