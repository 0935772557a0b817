// Random weights written as the blocks of a format directly: valid, never NaN, as fast as memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor/dtype.h"

namespace issun::measure {

// SplitMix64 (Steele, Lea, Flood 2014): every seed is as good as another, eight bytes a step.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next();
  void fill(std::span<std::byte> bytes);
  // Evenly spread in [low, high).
  double uniform(double low, double high);

 private:
  uint64_t state_;
};

// Whole blocks of random codes of any type that can be computed, whose values have mean 0 (within
// the format's means) and about this standard deviation, above 1e-6 and below 1: what a trained
// matrix looks like to a kernel. rows: a multiple of the block in bytes.
void fill_rows(DType type, double deviation, Random& random, std::span<std::byte> rows);

}  // namespace issun::measure
