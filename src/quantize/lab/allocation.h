// Bits where they help most: one width for each tensor out of some, for the least total error at a
// size.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace issun::quantize::lab {

struct Width {
  double bits;   // of the whole tensor, all that is stored
  double error;  // that it then adds to the total
};
using Widths = std::vector<Width>;  // of one tensor: more bits, less error

struct Allocation {
  std::vector<int> chosen;  // of each tensor: an index of its widths
  double bits = 0, error = 0;
};

// The same index everywhere.
Allocation same_width(std::span<const Widths> tensors, int index);

// From the smallest width everywhere, again and again the step that takes away most error for a
// bit, over more than one width where that is better, as long as one fits into the budget. With
// `path`: every allocation on the way. The optimum wherever no step had to be passed over (the
// lower convex hull, Shoham and Gersho 1988). A budget below the smallest widths gives those.
Allocation greedy(std::span<const Widths> tensors, double budget_bits,
                  std::vector<Allocation>* path = nullptr);

}  // namespace issun::quantize::lab
