// Products of bf16 on tiles: a block of the output, up to 32 x 32, stays in four of them.
#pragma once

#include "kernels/gemm.inl"
#include "kernels/kernels.h"

namespace issun::kernels {
namespace {

constexpr int kTileLines = 16;
constexpr int kTileDepth = kBrainLine;          // numbers of bf16 in a line
constexpr int kTileBlock = 2 * kTileLines;      // rows and columns of a block
constexpr int kTilePairBytes = 4 * kTileBlock;  // of a pair of depths of a block's columns

// out (rows, columns) = or += a (rows, 2 * pairs * steps) . b
struct TileBlock {
  const void* a;
  int64_t a_stride;                   // bytes from row to row
  const void* b;                      // pairs of depths (pairs * steps, columns, 2)
  int64_t b_stride = kTilePairBytes;  // bytes from pair to pair
  int rows, columns;                  // 1 to kTileBlock
  int steps;
  int pairs;  // of depths in a step: all 16, or 8
  bool add;
  float* out;
  int64_t out_stride;  // floats from row to row
  int64_t ahead;       // bytes from a to the rows that come next; 0: none do
};

inline int tile_part(int whole, int part) {
  const int left = whole - part * kTileLines;
  return left < 0 ? 0 : left > kTileLines ? kTileLines : left;
}

// Sums are tiles 0 to 3, in the order of a's tiles, which are 4 and 5; those of b are 6 and 7.
inline TileShapes shapes_of(int rows, int columns, int pairs) {
  TileShapes shapes;
  const auto set = [&](int tile, int lines, int words) {
    shapes.lines[tile] = static_cast<uint8_t>(words == 0 ? 0 : lines);
    shapes.line_bytes[tile] = static_cast<uint16_t>(lines == 0 ? 0 : 4 * words);
  };
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 2; ++j) set(2 * i + j, tile_part(rows, i), tile_part(columns, j));
    set(4 + i, tile_part(rows, i), pairs);
    set(6 + i, pairs, tile_part(columns, i));
  }
  return shapes;
}

// Gives the tiles their shapes, where they have others; releases them when it goes.
class TileUse {
 public:
  TileUse() = default;
  TileUse(const TileUse&) = delete;
  TileUse& operator=(const TileUse&) = delete;
  ~TileUse() { release_tiles(); }
  void shape(const TileBlock& block) {
    if (block.rows == rows_ && block.columns == columns_ && block.pairs == pairs_) return;
    rows_ = block.rows, columns_ = block.columns, pairs_ = block.pairs;
    shape_tiles(shapes_of(rows_, columns_, pairs_));
  }

 private:
  int rows_ = 0, columns_ = 0, pairs_ = 0;
};

template <int kRowTiles, int kColumnTiles>
inline void multiply_block(const TileBlock& block) {
  const auto* a = static_cast<const char*>(block.a);
  const auto* b = static_cast<const char*>(block.b);
  const int64_t out_bytes = 4 * block.out_stride, second = kTileLines * block.a_stride;
  unrolled<kRowTiles>([&]<int i>() __attribute__((always_inline)) {
    unrolled<kColumnTiles>([&]<int j>() __attribute__((always_inline)) {
      if (block.add)
        load_tile<2 * i + j>(block.out + i * kTileLines * block.out_stride + j * kTileLines,
                             out_bytes);
      else
        zero_tile<2 * i + j>();
    });
  });
  for (int step = 0; step < block.steps; ++step, a += 64, b += kTileLines * block.b_stride) {
    unrolled<kColumnTiles>([&]<int j>() __attribute__((always_inline)) {
      load_tile<6 + j>(b + 64 * j, block.b_stride);
    });
    unrolled<kRowTiles>([&]<int i>() __attribute__((always_inline)) {
      load_tile<4 + i>(a + i * second, block.a_stride);
      unrolled<kColumnTiles>([&]<int j>() __attribute__((always_inline)) {
        multiply_tiles<2 * i + j, 4 + i, 6 + j>();
      });
    });
    if (block.ahead != 0)
      for (int line = 0; line < kRowTiles * kTileLines; ++line)
        prefetch(a + block.ahead + line * block.a_stride);
  }
  unrolled<kRowTiles>([&]<int i>() __attribute__((always_inline)) {
    unrolled<kColumnTiles>([&]<int j>() __attribute__((always_inline)) {
      store_tile<2 * i + j>(block.out + i * kTileLines * block.out_stride + j * kTileLines,
                            out_bytes);
    });
  });
}

inline void multiply(TileUse& use, const TileBlock& block) {
  use.shape(block);
  const bool tall = block.rows > kTileLines, wide = block.columns > kTileLines;
  if (tall && wide)
    multiply_block<2, 2>(block);
  else if (tall)
    multiply_block<2, 1>(block);
  else if (wide)
    multiply_block<1, 2>(block);
  else
    multiply_block<1, 1>(block);
}

// The last depths, fewer than a step; panels are filled up with zeros to 16 of them.
inline void multiply_rest(TileUse& use, TileBlock block, int depth) {
  if (depth == 0) return;
  block.a = static_cast<const char*>(block.a) + block.steps * 64;
  block.b = static_cast<const char*>(block.b) + block.steps * kTileLines * block.b_stride;
  block.steps = 1, block.pairs = depth > 16 ? 16 : 8;
  multiply(use, block);
}

// The panels of gemm.inl.
void gemm_tile_on_tiles(const GemmTile* task) {
  TileUse use;
  static_assert(kGemmColumns <= kTileBlock);
  TileBlock block{};
  block.a_stride = kGemmStride * int64_t{4};
  block.b_stride = kGemmColumns * int64_t{4};
  block.out_stride = task->out_stride;
  for (int j = 0; j < task->columns; j += kGemmColumns) {
    block.b = static_cast<const float*>(task->b) + int64_t{j} * kGemmDepth;
    block.columns = task->columns - j < kGemmColumns ? task->columns - j : kGemmColumns;
    for (int i = 0; i < task->rows; i += kTileBlock) {
      block.a = static_cast<const float*>(task->a) + int64_t{i} * kGemmStride;
      block.rows = task->rows - i < kTileBlock ? task->rows - i : kTileBlock;
      block.out = task->out + i * task->out_stride + j;
      block.steps = task->depth / kTileDepth, block.pairs = kTileDepth / 2;
      block.add = task->add;
      if (block.steps > 0) multiply(use, block), block.add = true;
      multiply_rest(use, block, task->depth % kTileDepth);
    }
  }
}

}  // namespace
}  // namespace issun::kernels
