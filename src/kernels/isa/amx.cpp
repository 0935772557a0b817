#include "simd/avx512.h"
#include "simd/tiles.h"

#include "kernels/tiles_table.inl"

namespace issun::kernels {

extern const TileKernels kTilesAmx;
constinit const TileKernels kTilesAmx = make_tile_kernels("amx", 16);

}  // namespace issun::kernels
