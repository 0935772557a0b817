// Floats to blocks, with the least error that a search finds: each squared error counts by the
// importance of its column, or all alike. For every format that issun computes; those that are what
// other programs write, byte for byte, are in tensor/codec.h. Not here: which tensor gets which
// format (mixture.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "kernels/search.h"
#include "tensor/dtype.h"

namespace issun::quantize {

struct Codebooks;

// What one thread needs while it encodes.
struct EncodeScratch {
  static constexpr int kTerms = 8 * 2048;
  alignas(64) float weights[512];
  alignas(64) float products[kTerms], squares[kTerms];
  alignas(64) float flipped[8 * 512];
};

// Shared by threads; nothing changes after construction.
class Encoder {
 public:
  explicit Encoder(const kernels::SearchTable& searches);
  ~Encoder();
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  // Encodes one row. columns: a multiple of the type's block. importance: (columns), 0 or more, or
  // nullptr. The bits depend on the row alone, and not on the instruction set. Any input is safe,
  // but what is not finite, or out of reach of the block's scale, comes out as some block.
  void encode_row(DType type, const float* values, int64_t columns, const float* importance,
                  EncodeScratch* scratch, std::byte* row) const;

  const kernels::SearchTable& searches() const { return searches_; }
  const Codebooks& books() const { return *books_; }

 private:
  const kernels::SearchTable& searches_;
  std::unique_ptr<const Codebooks> books_;
};

}  // namespace issun::quantize
