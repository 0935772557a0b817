// A block of entries of codebooks, before it is bytes and out of them.
#pragma once

#include "quantize/book_groups.h"

namespace issun::quantize {

// The scales that a group can have are d * unit * (first + step * k), k = 0..most.
struct Multiples {
  float unit, first, step;
  int most;
  float of(int k) const { return unit * (first + step * static_cast<float>(k)); }
};

struct BookBlock {
  uint16_t d = 0;
  int scales[16] = {};
  GroupChoice choices[16];
};

inline constexpr Multiples kMultiplesIq2 = {0.25f, 0.5f, 1, 15};
inline constexpr Multiples kMultiplesIq3Xxs = {0.5f, 0.5f, 1, 15};
inline constexpr Multiples kMultiplesIq3S = {1, 1, 2, 15};
inline constexpr Multiples kMultiplesIq1 = {0.125f, 1, 2, 7};

void pack(const BookBlock& found, BlockIQ2_XXS* block);
void pack(const BookBlock& found, BlockIQ2_XS* block);
void pack(const BookBlock& found, BlockIQ2_S* block);
void pack(const BookBlock& found, BlockIQ3_XXS* block);
void pack(const BookBlock& found, BlockIQ3_S* block);
void pack(const BookBlock& found, BlockIQ1_S* block);
void pack(const BookBlock& found, BlockIQ1_M* block);

// The scales of a block, and d; for IQ1 whether groups are below as well. Entries stay 0.
void unpack(const BlockIQ2_XXS& block, BookBlock* found);
void unpack(const BlockIQ2_XS& block, BookBlock* found);
void unpack(const BlockIQ2_S& block, BookBlock* found);
void unpack(const BlockIQ3_XXS& block, BookBlock* found);
void unpack(const BlockIQ3_S& block, BookBlock* found);
void unpack(const BlockIQ1_S& block, BookBlock* found);
void unpack(const BlockIQ1_M& block, BookBlock* found);

}  // namespace issun::quantize
