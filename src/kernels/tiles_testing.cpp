#include "kernels/tiles_testing.h"

#include "kernels/dispatch.h"
#define ISSUN_PLAIN_TILES
#include "simd/scalar.h"
#include "simd/tiles_plain.h"

#include "kernels/tiles_table.inl"

namespace issun::kernels::testing {

const KernelTable& plain_tiles() {
  static constinit const TileKernels tiles = make_tile_kernels("plain tiles", 1);
  static const KernelTable table = with_tiles(*available_kernels().front(), tiles);
  return table;
}

std::vector<const KernelTable*> kernels_and_plain_tiles() {
  std::vector<const KernelTable*> tables = available_kernels();
  tables.push_back(&plain_tiles());
  return tables;
}

}  // namespace issun::kernels::testing
