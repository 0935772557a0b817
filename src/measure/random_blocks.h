// Random weights of the formats that have blocks; what they look like: random_rows.h.
#pragma once

#include <cstddef>
#include <span>

#include "measure/random_rows.h"

namespace issun::measure {

// As fill_rows, for types whose blocks are more than one value.
void fill_blocks(DType type, double deviation, Random& random, std::span<std::byte> rows);

}  // namespace issun::measure
