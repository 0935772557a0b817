// The codebooks as the searches read them: value by value over all entries.
#pragma once

#include <memory>

#include "kernels/search.h"
#include "tensor/codebooks.h"

namespace issun::quantize {

// values[i][e] is value i of entry e.
template <int kEntries, int kValues>
struct Transposed {
  alignas(64) int8_t values[kValues][kEntries];
  kernels::Entries entries() const { return {values[0], kEntries, kValues}; }
};

struct Codebooks {
  Transposed<256, 8> iq2_xxs;
  Transposed<512, 8> iq2_xs;
  Transposed<1024, 8> iq2_s;
  Transposed<256, 4> iq3_xxs;
  Transposed<512, 4> iq3_s;
  // Eight times the values of IQ1: plus an eighth, and minus an eighth.
  Transposed<2048, 8> iq1[2];

  static std::unique_ptr<const Codebooks> create();
};

}  // namespace issun::quantize
