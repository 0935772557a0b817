// The languages of numbers: which decimal texts are above a bound, or a multiple of a step.
#pragma once

#include <string>

#include "base/json.h"
#include "grammar/dfa.h"

namespace issun::grammar {

// A number as its decimal digits, exactly.
struct Decimal {
  bool negative = false;  // never of zero
  std::string whole;      // "0", or without leading zeros
  std::string fraction;   // without trailing zeros
};

// Error: an integer beyond 64 bits, which the JSON reader has rounded.
Result<Decimal> decimal_of(const Json& number);

// Numbers as JSON writes them. A text here names a number with or without a fraction, but without
// an exponent: every number has such a text, and only those are regular under the conditions below.
Dfa any_number();        // with exponents
Dfa any_plain_number();  // without
Dfa any_integer();       // without a fraction either
Dfa any_fraction();      // numbers that are no integers

enum class Comparison { Below, AtMost, Equal, AtLeast, Above };
Result<Dfa> numbers_compared(Comparison comparison, const Decimal& bound);
// `step` is above zero. Error: it has too many digits.
Result<Dfa> multiples_of(const Decimal& step);

}  // namespace issun::grammar
