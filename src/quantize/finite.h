// Weights that are no numbers: nothing is computed with them.
#pragma once

#include <span>
#include <string_view>

#include "base/result.h"

namespace issun::quantize {

// The place of the first value that is not finite; -1: all are.
int64_t first_not_finite(std::span<const float> values);
// Error: names the tensor, the row, the column and the value.
Result<void> check_finite(std::span<const float> values, std::string_view tensor, int64_t row);

}  // namespace issun::quantize
