// What the tiles of tiles.h mean, in plain C++: their documentation, and what tests run where no
// processor has them.
#pragma once

#include <stdint.h>

namespace issun::simd {
namespace {

// How many lines each tile has, and how many bytes of each line count.
struct alignas(64) TileShapes {
  uint8_t palette = 1, start_line = 0, zeros[14] = {};
  uint16_t line_bytes[16] = {};
  uint8_t lines[16] = {};
};

struct Tile {
  alignas(64) uint8_t line[16][64];
};
struct TileRegisters {
  TileShapes shapes;
  Tile tile[8];
};
inline TileRegisters& tile_registers() {
  static thread_local TileRegisters registers;
  return registers;
}

// Gives all eight their shapes, and zeros.
inline void shape_tiles(const TileShapes& shapes) {
  TileRegisters& all = tile_registers();
  all.shapes = shapes;
  __builtin_memset(all.tile, 0, sizeof all.tile);
}
// Nothing is in use any more: what the system has to keep of a thread gets less.
inline void release_tiles() { shape_tiles({}); }

template <int tile>
inline void zero_tile() {
  __builtin_memset(&tile_registers().tile[tile], 0, sizeof(Tile));
}
// Lines `stride` bytes apart.
template <int tile>
inline void load_tile(const void* from, int64_t stride) {
  TileRegisters& all = tile_registers();
  zero_tile<tile>();
  for (int i = 0; i < all.shapes.lines[tile]; ++i)
    __builtin_memcpy(all.tile[tile].line[i], static_cast<const uint8_t*>(from) + i * stride,
                     all.shapes.line_bytes[tile]);
}
template <int tile>
inline void store_tile(void* to, int64_t stride) {
  const TileRegisters& all = tile_registers();
  for (int i = 0; i < all.shapes.lines[tile]; ++i)
    __builtin_memcpy(static_cast<uint8_t*>(to) + i * stride, all.tile[tile].line[i],
                     all.shapes.line_bytes[tile]);
}
// sums (m, n) floats += a (m, 2 k) . b: word n of line k of b holds the bf16 numbers of the depths
// 2 k and 2 k + 1 of column n. Depth after depth; subnormal numbers count as zero on AMX.
template <int sums, int a, int b>
inline void multiply_tiles() {
  TileRegisters& all = tile_registers();
  const auto number = [](const uint8_t* p) {
    const uint32_t bits = static_cast<uint32_t>(p[0] << 16 | p[1] << 24);
    return __builtin_bit_cast(float, bits);
  };
  for (int m = 0; m < all.shapes.lines[sums]; ++m)
    for (int n = 0; n < all.shapes.line_bytes[sums] / 4; ++n) {
      float total;
      __builtin_memcpy(&total, all.tile[sums].line[m] + 4 * n, 4);
      for (int k = 0; k < all.shapes.lines[b]; ++k)
        for (int i = 0; i < 2; ++i)
          total += number(all.tile[a].line[m] + 4 * k + 2 * i) *
                   number(all.tile[b].line[k] + 4 * n + 2 * i);
      __builtin_memcpy(all.tile[sums].line[m] + 4 * n, &total, 4);
    }
}

}  // namespace
}  // namespace issun::simd
