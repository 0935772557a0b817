// Many tokens on tiles: rows of weights become bf16 once, in panels, and meet activations in bf16
// (kBrainColumns in kernels.h).
#pragma once

#include "kernels/decode.inl"
#include "kernels/panel.inl"
#include "kernels/panel_brains.inl"
#include "kernels/panel_q8.inl"
#include "kernels/tiles.inl"

namespace issun::kernels {
namespace {

constexpr int kTileGroupRows = 128;     // whose sums stay in the second cache with the activations
constexpr int kTileTokensAtOnce = 512;  // and the sums of so many tokens

// Pairs of depths of 32 rows of weights; the second plane is what rounding took from the first.
struct alignas(64) TilePanel {
  uint8_t planes[2][kUnit / 2][kTilePairBytes];
};
constexpr int kTileHalfBytes = 4 * kTileLines;  // of the pairs of 16 rows

// Sums of kTileBlock rows, token after token: they are added to once in 256 columns, and rows of an
// output would lie in a page each.
struct TileSums {
  alignas(64) float of[kTileGroupRows / kTileBlock][kTileTokensAtOnce][kTileBlock];
};
struct TileScratch {
  TileSums sums;
  TilePanel tiles;
};
// And what it takes to unpack 16 rows of 256 columns.
template <class Shape>
struct TileScratchOf : TileScratch {
  Panel<Shape> panel;
};
struct TileScratchF32 : TileScratch {
  alignas(64) float decoded[16][kUnit];
};

// 256 columns of 16 rows as bf16.
template <class Shape>
ISSUN_SHARED void widen(const Panel<Shape>& panel, uint8_t* to) {
  static_assert(!kWordWeights<Shape>);
  constexpr int kQuads = Shape::kGroup / 4;
  constexpr int16_t kEvenOnly[2] = {1, 0}, kOddOnly[2] = {0, 1};
  for (int g = 0; g < Panel<Shape>::kGroups; ++g) {
    const F32x16 scale = load(panel.scale[0][g]);
    F32x16 offset = mul(scale, splat(-static_cast<float>(Shape::kZero)));
    if constexpr (Shape::kMins == Mins::kFloats) offset = sub(offset, load(panel.float_mins[0][g]));
    if constexpr (Shape::kMins == Mins::kIntegers) {
      const I32x16 integers =
          dot2(zero_i32(), load(panel.mins[0][g / 2]), splat2(g % 2 == 0 ? kEvenOnly : kOddOnly));
      offset = fnma(to_f32(integers), load(panel.min_scale[0]), offset);
    }
    for (int q = kQuads * g; q < kQuads * (g + 1); ++q, to += 2 * kTilePairBytes) {
      const U8x64 w = load(panel.quads[0][q]);
      F32x16 x[4];
      unrolled<4>([&]<int i>() __attribute__((always_inline)) {
        const F32x16 integer = byte_of_words<i, Shape::kSigned>(w);
        x[i] = fma(integer, scale, offset);
      });
      store_pairs(to, pairs(x[0], x[1]));
      store_pairs(to + kTilePairBytes, pairs(x[2], x[3]));
    }
  }
}

// A format to the loops that all share. fill: 16 rows, of which `rows` are there, of `columns`
// columns, at most 256, to their place in both planes.
struct TileSource {
  void (*fill)(const uint8_t* units, int64_t stride, int rows, int columns, uint8_t* to,
               void* scratch);
  int unit_bytes;
  bool wide;  // both planes of the weights, and of the activations
};

template <class Shape>
inline void fill_from(const PanelSource<Shape>& source, const uint8_t* units, int64_t stride,
                      int rows, int columns, uint8_t* to, void* memory) {
  static_assert(sizeof(TileScratchOf<Shape>) <= kScratchBytes);
  Panel<Shape>& panel = static_cast<TileScratchOf<Shape>*>(memory)->panel;
  source.unpack(units, stride, rows, columns, 0, panel);
  widen(panel, to);
}
template <class Format>
void fill_tiles(const uint8_t* units, int64_t stride, int rows, int columns, uint8_t* to,
                void* memory) {
  if constexpr (kIsUnpacked<Format>)
    fill_from(kRarePanelSource<Format>, units, stride, rows, columns, to, memory);
  else
    fill_from(kPanelSource<Format>, units, stride, rows, columns, to, memory);
}

template <class Format>
void fill_float_tiles(const uint8_t* units, int64_t stride, int rows, int columns, uint8_t* to,
                      void* memory) {
  static_assert(sizeof(TileScratchF32) <= kScratchBytes);
  auto& decoded = static_cast<TileScratchF32*>(memory)->decoded;
  for (int r = 0; r < 16; ++r) {
    __builtin_memset(decoded[r], 0, sizeof decoded[r]);
    decode_floats<Format>(units + (r < rows ? r : rows - 1) * stride, columns, decoded[r]);
  }
  for (int c = 0; c < kUnit; c += 16) {
    F32x16 m[16];
    for (int r = 0; r < 16; ++r) m[r] = load(decoded[r] + c);
    transpose(m);
    for (int i = 0; i < 16; i += 2, to += kTilePairBytes) {
      store_pairs(to, pairs(m[i], m[i + 1]));
      if constexpr (Format::kType == DType::F16)
        store_pairs(to + sizeof(TilePanel::planes[0]),
                    pairs(lost_in_bf16(m[i]), lost_in_bf16(m[i + 1])));
    }
  }
}

// Whether more than a bf16 is multiplied: of F16, which else would lose three of its bits.
template <class Format>
constexpr bool kWide = Format::kType == DType::F16;

template <class Format>
constexpr TileSource tile_source() {
  if constexpr (kIsFloat<Format>)
    return {fill_float_tiles<Format>, kUnitBytes<Format>, kWide<Format>};
  else
    return {fill_tiles<Format>, kUnitBytes<Format>, false};
}
template <class Format>
constexpr TileSource kTileSource = tile_source<Format>();

// 256 columns of 32 rows, of which `rows` are there, as a panel.
inline void fill_panel(const TileSource& source, const uint8_t* from, int64_t row_bytes, int rows,
                       int columns, TileScratch& scratch) {
  for (int r = 0; r < rows; r += kTileLines) {
    const int some = rows - r < kTileLines ? rows - r : kTileLines;
    source.fill(from + r * row_bytes, row_bytes, some, columns,
                scratch.tiles.planes[0][0] + r / kTileLines * kTileHalfBytes, &scratch);
  }
}

// A panel of `rows` rows and `columns` columns times `tokens` rows of block `b` of the activations.
inline void multiply_panel(TileUse& use, const LinearTask& task, const TileSource& source,
                           const TilePanel& tiles, int rows, int columns, int b, int token,
                           int tokens, float (*sums)[kTileBlock]) {
  TileBlock block{};
  block.a_stride = task.activation_stride;
  block.columns = rows;
  block.steps = (columns + kTileDepth - 1) / kTileDepth, block.pairs = kTileDepth / 2;
  block.out_stride = kTileBlock;
  const char* activations = static_cast<const char*>(task.activations) +
                            kTilePlanes * b * task.plane_stride + token * task.activation_stride;
  for (int t = 0; t < tokens; t += kTileBlock) {
    const char* first = activations + t * task.activation_stride;
    block.rows = tokens - t < kTileBlock ? tokens - t : kTileBlock;
    block.out = sums[t];
    block.a = first, block.b = tiles.planes[0];
    block.add = b > 0;
    block.ahead = tokens - t > kTileBlock ? kTileBlock * task.activation_stride : 0;
    multiply(use, block);
    block.ahead = 0, block.add = true;
    if (source.wide) {
      block.b = tiles.planes[1];
      multiply(use, block);
      block.a = first + task.plane_stride, block.b = tiles.planes[0];
      multiply(use, block);
    }
  }
}

// Sums of the rows from `row` on to their places.
inline void store_sums(const TileSums& sums, const LinearTask& task, int64_t row, int rows,
                       int token, int tokens) {
  for (int t = 0; t < tokens; ++t)
    for (int r = 0; r < rows; r += 16) {
      float* out = task.out + (token + t) * task.out_stride + row + r;
      const F32x16 lanes = load(sums.of[r / kTileBlock][t] + r % kTileBlock);
      if (rows - r >= 16)
        store(out, lanes);
      else
        store_first(out, lanes, rows - r);
    }
}

ISSUN_SHARED void panel_tiles_rows(const LinearTask& task, const TileSource& source,
                                   int64_t row_begin, int64_t row_end, void* memory) {
  auto& scratch = *static_cast<TileScratch*>(memory);
  TileUse use;
  for (int token = 0; token < task.tokens; token += kTileTokensAtOnce) {
    const int left = task.tokens - token;
    const int tokens = left < kTileTokensAtOnce ? left : kTileTokensAtOnce;
    for (int64_t row = row_begin; row < row_end; row += kTileGroupRows) {
      const int rows =
          row_end - row < kTileGroupRows ? static_cast<int>(row_end - row) : kTileGroupRows;
      const uint8_t* from = static_cast<const uint8_t*>(task.weights) + row * task.row_bytes;
      touch(from, rows * task.row_bytes);
      for (int c = 0; c < task.columns; c += kUnit, from += source.unit_bytes)
        for (int r = 0; r < rows; r += kTileBlock) {
          const int some = rows - r < kTileBlock ? rows - r : kTileBlock;
          const int columns = task.columns - c < kUnit ? task.columns - c : kUnit;
          fill_panel(source, from + r * task.row_bytes, task.row_bytes, some, columns, scratch);
          multiply_panel(use, task, source, scratch.tiles, some, columns, c / kUnit, token, tokens,
                         scratch.sums.of[r / kTileBlock]);
        }
      store_sums(scratch.sums, task, row, rows, token, tokens);
    }
  }
}

template <class Format>
void panel_tiles(const LinearTask* task, int64_t row_begin, int64_t row_end, void* scratch) {
  panel_tiles_rows(*task, kTileSource<Format>, row_begin, row_end, scratch);
}

}  // namespace
}  // namespace issun::kernels
