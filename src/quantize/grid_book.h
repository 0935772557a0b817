// Grids of the formats whose codes are entries of codebooks: eight values at a time.
#pragma once

#include "quantize/grid.h"

namespace issun::quantize {

// nullptr: another format.
std::unique_ptr<Grid> make_book_grid(DType type, const Encoder& encoder, EncodeScratch* scratch);

}  // namespace issun::quantize
