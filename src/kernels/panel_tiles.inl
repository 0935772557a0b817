// Many tokens on tiles: rows of weights become bf16 once, in panels, and meet activations in bf16
// (BrainRow in kernels.h).
#pragma once

#include "kernels/decode.inl"
#include "kernels/panel.inl"
#include "kernels/panel_q8.inl"
#include "kernels/tiles.inl"

namespace issun::kernels {
namespace {

constexpr int kTilePanelDepth = 512;  // a plane of a panel, 32 KiB, stays in the first cache
constexpr int kTileGroupRows = 128;   // whose sums stay in the second cache with the activations
constexpr int kTileTokensAtOnce = 512;

// Pairs of depths of 32 rows of weights; the second plane is what rounding took from the first.
struct alignas(64) TilePanel {
  uint8_t planes[2][kTilePanelDepth / 2][kTilePairBytes];
};
constexpr int kTileHalfBytes = 4 * kTileLines;  // of the pairs of 16 rows

// What it takes to unpack 16 rows of 256 columns.
template <class Shape>
struct TileScratch {
  TilePanel tiles;
  Panel<Shape> panel;
};
struct TileScratchF32 {
  TilePanel tiles;
  alignas(64) float decoded[16][kUnit];
};

// 256 columns of 16 rows as bf16.
template <class Shape>
ISSUN_SHARED void widen(const Panel<Shape>& panel, uint8_t* to) {
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

// x less what is left of it in bf16.
inline F32x16 lost_in_bf16(F32x16 x) {
  uint16_t brain[16];
  store_bf16(brain, x);
  return sub(x, load_bf16(brain));
}

// A format to the loops that all share. fill: 16 rows, of which `rows` are there, of `columns`
// columns, at most 256, to their place in both planes.
struct TileSource {
  void (*fill)(const uint8_t* units, int64_t stride, int rows, int columns, uint8_t* to,
               void* scratch);
  int unit_bytes;
  bool exact_activations;  // both planes of the activations
  bool second_plane;       // and of the weights
};

template <class Shape>
inline void fill_from(const PanelSource<Shape>& source, const uint8_t* units, int64_t stride,
                      int rows, int columns, uint8_t* to, void* memory) {
  static_assert(sizeof(TileScratch<Shape>) <= kScratchBytes);
  Panel<Shape>& panel = static_cast<TileScratch<Shape>*>(memory)->panel;
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

template <class Format>
constexpr TileSource tile_source() {
  if constexpr (kIsFloat<Format>)
    return {fill_float_tiles<Format>, kUnitBytes<Format>, true, Format::kType == DType::F16};
  else
    return {fill_tiles<Format>, kUnitBytes<Format>, false, false};
}
template <class Format>
constexpr TileSource kTileSource = tile_source<Format>();

// 32 rows, of which `rows` are there, of `columns` columns, into a panel.
inline void fill_panel(const TileSource& source, const uint8_t* from, int64_t row_bytes, int rows,
                       int columns, TilePanel& tiles) {
  for (int c = 0; c < columns; c += kUnit, from += source.unit_bytes)
    for (int r = 0; r < rows; r += kTileLines) {
      const int some = rows - r < kTileLines ? rows - r : kTileLines;
      source.fill(from + r * row_bytes, row_bytes, some, columns - c < kUnit ? columns - c : kUnit,
                  tiles.planes[0][c / 2] + r / kTileLines * kTileHalfBytes, &tiles);
    }
}

// A panel from column c on times tokens, added to what is in `out` unless c is 0.
inline void multiply_panel(TileUse& use, const LinearTask& task, const TileSource& source,
                           const TilePanel& tiles, int64_t row, int rows, int c, int columns,
                           int token, int tokens) {
  TileBlock block{};
  block.a_stride = task.activation_stride;
  block.columns = rows;
  block.steps = (columns + kTileDepth - 1) / kTileDepth, block.pairs = kTileDepth / 2;
  block.out_stride = task.out_stride;
  for (int t = token; t < token + tokens; t += kTileBlock) {
    const int left = token + tokens - t;
    const char* first =
        static_cast<const char*>(task.activations) + t * task.activation_stride + 2 * c;
    block.rows = left < kTileBlock ? left : kTileBlock;
    block.out = task.out + t * task.out_stride + row;
    block.a = first, block.b = tiles.planes[0];
    block.add = c > 0;
    block.ahead = left > kTileBlock ? kTileBlock * task.activation_stride : 0;
    multiply(use, block);
    block.ahead = 0, block.add = true;
    if (source.second_plane) block.b = tiles.planes[1], multiply(use, block);
    if (source.exact_activations) {
      block.a = first + brain_plane_bytes(task.columns), block.b = tiles.planes[0];
      multiply(use, block);
    }
  }
}

ISSUN_SHARED void panel_tiles_rows(const LinearTask& task, const TileSource& source,
                                   int64_t row_begin, int64_t row_end, void* scratch) {
  auto& tiles = *static_cast<TilePanel*>(scratch);  // the first of every kind of scratch
  TileUse use;
  for (int token = 0; token < task.tokens; token += kTileTokensAtOnce) {
    const int left = task.tokens - token;
    const int tokens = left < kTileTokensAtOnce ? left : kTileTokensAtOnce;
    for (int64_t group = row_begin; group < row_end; group += kTileGroupRows) {
      const int64_t end = row_end - group < kTileGroupRows ? row_end : group + kTileGroupRows;
      for (int c = 0; c < task.columns; c += kTilePanelDepth)
        for (int64_t row = group; row < end; row += kTileBlock) {
          const int rows = end - row < kTileBlock ? static_cast<int>(end - row) : kTileBlock;
          const int columns =
              task.columns - c < kTilePanelDepth ? task.columns - c : kTilePanelDepth;
          const uint8_t* from = static_cast<const uint8_t*>(task.weights) + row * task.row_bytes;
          if (c == 0) touch(from, rows * task.row_bytes);
          fill_panel(source, from + c / kUnit * source.unit_bytes, task.row_bytes, rows, columns,
                     tiles);
          multiply_panel(use, task, source, tiles, row, rows, c, columns, token, tokens);
        }
    }
  }
}

template <class Format>
void panel_tiles(const LinearTask* task, int64_t row_begin, int64_t row_end, void* scratch) {
  panel_tiles_rows(*task, kTileSource<Format>, row_begin, row_end, scratch);
}

void round_row(const float* x, int columns, void* to) {
  auto* high = static_cast<uint16_t*>(to);
  auto* low = high + brain_plane_bytes(columns) / 2;
  for (int c = 0; c < brain_plane_bytes(columns) / 2; c += 16) {
    const int n = columns - c;
    const F32x16 values = n >= 16 ? load(x + c) : n > 0 ? load_first(x + c, n) : zero_f32();
    store_bf16(high + c, values);
    store_bf16(low + c, lost_in_bf16(values));
  }
}

}  // namespace
}  // namespace issun::kernels
