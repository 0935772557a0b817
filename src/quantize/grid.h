// What the values of one block can become once its scales are fixed: the border between choosing
// scales (encode.h) and choosing codes with an eye to the other columns (feedback.h).
#pragma once

#include <cstddef>
#include <memory>

#include "quantize/encode.h"
#include "tensor/dtype.h"

namespace issun::quantize {

constexpr int kMostGridValues = 256;  // of a block
constexpr int kMostUnit = 8;

// One block at a time, by one thread.
class Grid {
 public:
  virtual ~Grid() = default;
  // Values whose codes are chosen together: 1, or 8 where codes are entries of a codebook. Units
  // begin at multiples of it.
  virtual int unit() const = 0;
  // Takes the scales of a block of the format. All its units have to be chosen before close().
  virtual void open(const std::byte* block) = 0;
  // All scales times `factor`, as near as the format has it, codes staying: in the block's bytes.
  virtual void stretch(float factor, std::byte* block) const = 0;
  // The values nearest to x for the unit that begins at `first`, squared errors counting by
  // `weights` (which one value alone does not need): (unit) each. They are the block's from now on.
  virtual void choose(int first, const float* x, const float* weights, float* values) = 0;
  // The block with the codes chosen, over the one that was opened.
  virtual void close(std::byte* block) const = 0;
};

// nullptr where codes cannot be chosen apart from scales. `encoder` outlives the grid.
std::unique_ptr<Grid> make_grid(DType type, const Encoder& encoder, EncodeScratch* scratch);
bool has_grid(DType type);

}  // namespace issun::quantize
