#include "quantize/finite.h"

#include <algorithm>
#include <cmath>

#include "base/quote.h"

namespace issun::quantize {

int64_t first_not_finite(std::span<const float> values) {
  uint32_t most = 0;
  for (const float x : values) most = std::max(most, __builtin_bit_cast(uint32_t, x) & 0x7fffffff);
  if (most < 0x7f800000) return -1;
  return std::find_if(values.begin(), values.end(), [](float x) { return !std::isfinite(x); }) -
         values.begin();
}

Result<void> check_finite(std::span<const float> values, std::string_view tensor, int64_t row) {
  const int64_t fault = first_not_finite(values);
  if (fault < 0) return {};
  return fail("{}: expected finite weights, found {} in row {}, column {}", printable(tensor),
              values[static_cast<size_t>(fault)], row, fault);
}

}  // namespace issun::quantize
