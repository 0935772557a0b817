// Numbers that look random and depend on nothing but what they are made of.
#pragma once

#include <cstdint>

namespace issun::train {

// SplitMix64's finalizer (Steele, Lea, Flood 2014): every bit of the result depends on all of x.
inline uint64_t mixed(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

// The numbers 0 .. count - 1 in an order of their own for each key, without storing it: a Feistel
// network of four rounds over the next power of four, walked until it is back below count (Black
// and Rogaway 2002, cycle walking).
class Permutation {
 public:
  Permutation(int64_t count, uint64_t key) : count_(static_cast<uint64_t>(count)), key_(key) {
    while (half_ < 31 && (uint64_t{1} << (2 * half_)) < count_) ++half_;
  }
  // i is in [0, count).
  int64_t at(int64_t i) const {
    uint64_t x = static_cast<uint64_t>(i);
    do x = shuffled(x);
    while (x >= count_);  // fewer than four rounds of this on average
    return static_cast<int64_t>(x);
  }

 private:
  uint64_t shuffled(uint64_t x) const {
    const uint64_t mask = (uint64_t{1} << half_) - 1;
    uint64_t left = x >> half_, right = x & mask;
    for (uint64_t round = 0; round < 4; ++round) {
      const uint64_t next = left ^ (mixed(key_ + mixed(right + (round << 32))) & mask);
      left = right;
      right = next;
    }
    return left << half_ | right;
  }
  uint64_t count_, key_;
  int half_ = 1;  // bits of each half
};

}  // namespace issun::train
