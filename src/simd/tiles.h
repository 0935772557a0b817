// Tiles: eight registers of 16 lines of 64 bytes, and their products, on AMX with BF16. Meanings:
// tiles_plain.h. In assembly, since the intrinsics of GCC 12 are macros that a template can give no
// number to, and do not say that they read memory. Source: Intel 64 and IA-32 Architectures
// Optimization Reference Manual, chapter 20.
#pragma once

#include <stdint.h>

namespace issun::simd {
namespace {

// As the processor reads it.
struct alignas(64) TileShapes {
  uint8_t palette = 1, start_line = 0, zeros[14] = {};
  uint16_t line_bytes[16] = {};
  uint8_t lines[16] = {};
};

inline void shape_tiles(const TileShapes& shapes) {
  // All of it is read: a compiler that is told of less leaves out what it wrote last.
  __asm__ volatile("ldtilecfg %0" ::"m"(shapes) : "memory");
}
inline void release_tiles() { __asm__ volatile("tilerelease" ::: "memory"); }

template <int tile>
inline void zero_tile() {
  __asm__ volatile("tilezero %%tmm%c0" ::"i"(tile));
}
template <int tile>
inline void load_tile(const void* from, int64_t stride) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(tile) : "memory");
}
template <int tile>
inline void store_tile(void* to, int64_t stride) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(tile) : "memory");
}
template <int sums, int a, int b>
inline void multiply_tiles() {
  __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(sums), "i"(a), "i"(b));
}

}  // namespace
}  // namespace issun::simd
