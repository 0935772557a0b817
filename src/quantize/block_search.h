// The course of the search for a block of 256 whose groups have whole multiples of the block's own
// numbers. Not here: what these numbers are (encode_line.cpp, encode_scale.cpp).
#pragma once

#include <array>

#include "quantize/groups.h"

namespace issun::quantize {

// Sixteen groups side by side: one block of groups of 16, or two of groups of 32. Search derives
// from it and knows: start(), climb() to the best multiples near, with errors_ of each group;
// sums(CodeSums*) of the codes as they are; keep(b, Block*); refit(b, sums), whether the numbers of
// block b moved; round_all(b, Block*).
template <class Search, class Block>
class BlockSearch {
 public:
  // The blocks there are, one or two.
  void search(Block (&best)[2]) {
    Search& self = static_cast<Search&>(*this);
    self.start();
    self.climb();
    kernels::CodeSums sums;
    self.sums(&sums);
    for (int b = 0; b < blocks(); ++b) self.keep(b, &best[b]);
    const std::array<float, 2> before = block_errors();
    bool moved[2] = {};
    for (int b = 0; b < blocks(); ++b) moved[b] = self.refit(b, sums);
    if (moved[0] || moved[1]) self.climb();
    const std::array<float, 2> after = block_errors();
    for (size_t b = 0; b < static_cast<size_t>(blocks()); ++b) {
      if (moved[b] && after[b] < before[b]) self.keep(static_cast<int>(b), &best[b]);
      self.round_all(static_cast<int>(b), &best[b]);
    }
  }

 protected:
  BlockSearch(const Part& part, int size) : part_(part), lanes_(part, size), size_(size) {}

  int blocks() const { return size_ / 16; }
  int in_block() const { return size_ == 16 ? 16 : 8; }  // groups
  int first(int block) const { return block * in_block(); }

  const Part& part_;
  const Lanes lanes_;
  const int size_;
  float errors_[16];  // of each group

 private:
  std::array<float, 2> block_errors() const {
    std::array<float, 2> errors{};
    for (int g = 0; g < 16; ++g) errors[static_cast<size_t>(g / in_block())] += errors_[g];
    return errors;
  }
};

}  // namespace issun::quantize
