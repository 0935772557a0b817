// Packing: things of given lengths into bins of one size.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace issun::train {

struct Bins {
  std::vector<int32_t> items;  // indices into the lengths, bin after bin
  std::vector<int64_t> begin;  // of each bin in `items`, and the end of the last; {0}: no bin
};

// Each bin begins with the first item that is in none yet and takes from the `lookahead` that
// follow whatever still fits, in order: first-fit with one bin open. Lengths are 1 to `size`.
Bins pack_first_fit(std::span<const int32_t> lengths, int size, int lookahead = 64);

}  // namespace issun::train
