// Many tokens: rows of weights unpacked once, lane = row, against 8-bit activations.
#pragma once

#include "kernels/formats.inl"
#include "kernels/kernels.h"

namespace issun::kernels {
namespace {

constexpr int kPanelRows = 16 * kTileVectors;
// Tokens that share one unpacking; their sums must stay in the scratch.
constexpr int kPanelTokens = 512;

// 256 columns of kPanelRows rows. Word q of a row's bytes, columns 4q..4q+3, meets the others in
// quads[v][q].
template <class Format>
struct alignas(64) Panel {
  static constexpr int kGroups = kUnit / Format::kGroup;
  uint8_t quads[kTileVectors][64][64];
  float scale[kTileVectors][kGroups][16];
  int16_t mins[kTileVectors][4][32];  // pairs of groups
  float min_scale[kTileVectors][16];
};

// Weights as the tile multiplies them: unsigned with a zero of 128 where the dot product allows.
template <class Format, int c>
inline U8x64 panel_bytes(const uint8_t* unit) {
  const auto w = Format::template weights<c>(unit);
  if constexpr (Format::kSigned) {
    return kWideDot ? plus<-128>(as_unsigned(w)) : as_unsigned(w);
  } else if constexpr (Format::kZero != 0 && kWideDot) {
    return plus<128 - Format::kZero>(w);
  } else {
    return w;
  }
}

// 16 rows from `units`, `stride` bytes apart; those beyond `rows` repeat the last one.
template <class Format>
void unpack(const uint8_t* units, int64_t stride, int rows, int v, Panel<Format>& panel) {
  const uint8_t* unit[16];
  for (int r = 0; r < 16; ++r) unit[r] = units + (r < rows ? r : rows - 1) * stride;
  unrolled<4>([&]<int c>() __attribute__((always_inline)) {
    U8x64 m[16];
    for (int r = 0; r < 16; ++r) m[r] = panel_bytes<Format, c>(unit[r]);
    transpose(m);
    for (int q = 0; q < 16; ++q) store(panel.quads[v][16 * c + q], m[q]);
  });
  F32x16 s[16];
  for (int r = 0; r < 16; ++r) s[r] = Format::scales(unit[r]);
  transpose(s);
  for (int g = 0; g < Panel<Format>::kGroups; ++g) store(panel.scale[v][g], s[g]);
  if constexpr (Format::kMins) {
    for (int r = 0; r < 16; ++r) {
      panel.min_scale[v][r] = Format::min_scale(unit[r]);
      int16_t integers[16];
      store_half(integers, Format::integers(unit[r]));
      for (int pair = 0; pair < 4; ++pair)
        __builtin_memcpy(&panel.mins[v][pair][2 * r], integers + 8 + 2 * pair, 4);
    }
  }
}

// Lines of a Q8Block that a panel reads: all up to and, with 16-column groups, including offset16.
template <class Format>
constexpr int kBlockLines = Format::kGroup == 16 ? 7 : 6;

// A group of kPanelRows rows times that of kTokens tokens, in integers.
template <class Format, int kTokens>
__attribute__((always_inline)) inline void multiply_group(const Panel<Format>& panel,
                                                          const Q8Block* const (&blocks)[kTokens],
                                                          int g,
                                                          I32x16 (&d)[kTileVectors][kTokens]) {
  constexpr int kQuads = Format::kGroup / 4;
  for (int t = 0; t < kTokens; ++t) {
    I32x16 start = zero_i32();
    if constexpr ((Format::kSigned && kWideDot) || Format::kZero != 0) {
      start = splat(Format::kGroup == 32 ? blocks[t]->offset32[g] : blocks[t]->offset16[g]);
      if constexpr (!kWideDot && Format::kZero == 32) start = shift_right(start, 2);
      if constexpr (!kWideDot && Format::kZero == 8) start = shift_right(start, 4);
    }
    for (int v = 0; v < kTileVectors; ++v) d[v][t] = start;
  }
  if constexpr (kWideDot || Format::kSigned) {
    unrolled<kQuads>([&]<int q>() __attribute__((always_inline)) {
      U8x64 w[kTileVectors];
      for (int v = 0; v < kTileVectors; ++v) w[v] = load(panel.quads[v][kQuads * g + q]);
      for (int t = 0; t < kTokens; ++t) {
        const I8x64 a = splat4(blocks[t]->q + Format::kGroup * g + 4 * q);
        for (int v = 0; v < kTileVectors; ++v) {
          if constexpr (Format::kSigned && !kWideDot)
            d[v][t] = dot4(d[v][t], as_signed(w[v]), a);
          else
            d[v][t] = dot4(d[v][t], w[v], a);
        }
      }
    });
  } else {
    // Without an instruction that adds four products, pairs are added up in 16 bits as long as they
    // fit.
    unrolled<kQuads / Format::kPairSums>([&]<int part>() __attribute__((always_inline)) {
      I16x32 pairs[kTileVectors][kTokens];
      unrolled<Format::kPairSums>([&]<int i>() __attribute__((always_inline)) {
        constexpr int q = part * Format::kPairSums + i;
        U8x64 w[kTileVectors];
        for (int v = 0; v < kTileVectors; ++v) w[v] = load(panel.quads[v][kQuads * g + q]);
        for (int t = 0; t < kTokens; ++t) {
          const I8x64 a = splat4(blocks[t]->q + Format::kGroup * g + 4 * q);
          for (int v = 0; v < kTileVectors; ++v) {
            const I16x32 products = pair_products(w[v], a);
            pairs[v][t] = i == 0 ? products : add(pairs[v][t], products);
            keep(pairs[v][t]);
          }
        }
      });
      for (int t = 0; t < kTokens; ++t)
        for (int v = 0; v < kTileVectors; ++v) d[v][t] = dot2(d[v][t], pairs[v][t], splat_i16(1));
    });
  }
}

// A panel times one block of kTokens tokens, added to sums: (tokens, kPanelRows). The scale of the
// activations is met once in 64 columns, where the sums are fetched and put back: registers have
// room for two sets of sums only, and three multiplications for two groups are less than four.
// `ahead`: bytes from each of the blocks to one that will be needed soon, 0: none. Fetching it by
// hand matters where all activations are more than the caches hold and a block is too short for the
// processor to see a stream.
template <class Format, int kTokens>
void multiply(const Panel<Format>& panel, const Q8Block* first, int64_t stride, int64_t ahead,
              float* sums) {
  constexpr int kGroups = 64 / Format::kGroup;  // that share a scale of the activations
  const Q8Block* blocks[kTokens];
  for (int t = 0; t < kTokens; ++t)
    blocks[t] = reinterpret_cast<const Q8Block*>(reinterpret_cast<const char*>(first) + t * stride);
  if (ahead != 0)
    for (int line = 0; line < kBlockLines<Format>; ++line)
      for (int t = 0; t < kTokens; ++t)
        prefetch(reinterpret_cast<const char*>(blocks[t]) + ahead + 64 * line);
  for (int part = 0; part < 4; ++part) {
    F32x16 scaled[kTileVectors][kTokens];
    unrolled<kGroups>([&]<int i>() __attribute__((always_inline)) {
      const int g = kGroups * part + i;
      I32x16 d[kTileVectors][kTokens];
      multiply_group<Format, kTokens>(panel, blocks, g, d);
      for (int v = 0; v < kTileVectors; ++v) {
        const F32x16 scale = load(panel.scale[v][g]);
        for (int t = 0; t < kTokens; ++t)
          scaled[v][t] =
              i == 0 ? mul(to_f32(d[v][t]), scale) : fma(to_f32(d[v][t]), scale, scaled[v][t]);
      }
    });
    for (int t = 0; t < kTokens; ++t)
      for (int v = 0; v < kTileVectors; ++v) {
        float* to = sums + t * kPanelRows + 16 * v;
        store(to, fma(scaled[v][t], splat(blocks[t]->scale[2 * part]), load(to)));
      }
  }
  if constexpr (Format::kMins) {
    for (int t = 0; t < kTokens; ++t)
      for (int v = 0; v < kTileVectors; ++v) {
        I32x16 offset = zero_i32();
        for (int pair = 0; pair < 4; ++pair)
          offset =
              dot2(offset, load(panel.mins[v][pair]), splat2(blocks[t]->group_sums + 8 + 2 * pair));
        float* to = sums + t * kPanelRows + 16 * v;
        store(to, fnma(mul(to_f32(offset), load(panel.min_scale[v])), splat(blocks[t]->sum_scale),
                       load(to)));
      }
  }
}

// The tokens that are too few for a tile.
template <class Format>
void multiply_rest(int tokens, const Panel<Format>& panel, const Q8Block* first, int64_t stride,
                   float* sums) {
  const auto at = [&](int t) {
    return reinterpret_cast<const Q8Block*>(reinterpret_cast<const char*>(first) + t * stride);
  };
  int t = 0;
  if constexpr (kTileTokens > 4)
    if (tokens - t >= 4)
      multiply<Format, 4>(panel, at(t), stride, 0, sums + t * kPanelRows), t += 4;
  if constexpr (kTileTokens > 2)
    if (tokens - t >= 2)
      multiply<Format, 2>(panel, at(t), stride, 0, sums + t * kPanelRows), t += 2;
  if (tokens - t >= 1) multiply<Format, 1>(panel, at(t), stride, 0, sums + t * kPanelRows);
}

// Reads memory once from front to back. Unpacking goes along many rows at a time, which the
// processor does not see as streams; this brings them near first (Q4_K, 2048 columns, 12 tokens:
// 107 -> 167 GFLOP/s).
inline void touch(const uint8_t* from, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) {
    const uint8_t byte = from[i];
    asm volatile("" ::"r"(byte));
  }
}

// The sums of kPanelRows rows to their places; the last rows of a matrix may be fewer.
inline void store_panel(const float* sums, const LinearTask& task, int64_t row, int rows, int token,
                        int tokens) {
  for (int t = 0; t < tokens; ++t)
    for (int v = 0; 16 * v < rows; ++v) {
      float* out = task.out + (token + t) * task.out_stride + row + 16 * v;
      const F32x16 lanes = load(sums + t * kPanelRows + 16 * v);
      if (rows - 16 * v >= 16)
        store(out, lanes);
      else
        store_first(out, lanes, rows - 16 * v);
    }
}

template <class Format>
struct PanelScratch {
  Panel<Format> panel;
  alignas(64) float sums[kPanelTokens * kPanelRows];
};

template <class Format>
void panel_q8(const LinearTask* task, int64_t row_begin, int64_t row_end, void* scratch) {
  static_assert(sizeof(PanelScratch<Format>) <= kScratchBytes);
  auto& [panel, sums] = *static_cast<PanelScratch<Format>*>(scratch);
  for (int token = 0; token < task->tokens; token += kPanelTokens) {
    const int tokens = task->tokens - token < kPanelTokens ? task->tokens - token : kPanelTokens;
    const auto* activations =
        static_cast<const char*>(task->activations) + token * task->activation_stride;
    for (int64_t row = row_begin; row < row_end; row += kPanelRows) {
      const int rows = row_end - row < kPanelRows ? static_cast<int>(row_end - row) : kPanelRows;
      const uint8_t* unit = static_cast<const uint8_t*>(task->weights) + row * task->row_bytes;
      touch(unit, rows * task->row_bytes);
      __builtin_memset(sums, 0, sizeof(float) * static_cast<size_t>(tokens * kPanelRows));
      for (int c = 0; c < task->columns; c += kUnit, unit += kUnitBytes<Format>) {
        for (int v = 0; v < kTileVectors && 16 * v < rows; ++v) {
          const uint8_t* units = unit + 16 * v * task->row_bytes;
          const int used = rows - 16 * v < 16 ? rows - 16 * v : 16;
          if (Format::kBlock == kUnit || task->columns - c >= kUnit) {
            unpack<Format>(units, task->row_bytes, used, v, panel);
          } else {
            uint8_t tails[16][kUnitBytes<Format>];
            for (int r = 0; r < used; ++r) {
              const TailUnit<Format> tail(units + r * task->row_bytes, task->columns - c);
              __builtin_memcpy(tails[r], tail.bytes, sizeof tail.bytes);
            }
            unpack<Format>(tails[0], kUnitBytes<Format>, used, v, panel);
          }
        }
        const auto* blocks = reinterpret_cast<const Q8Block*>(activations) + c / kUnit;
        const int64_t stride = task->activation_stride;
        // After the last tile of this column block comes the first one of the next.
        const int64_t next_tile = kTileTokens * stride;
        int t = 0;
        for (; t + kTileTokens <= tokens; t += kTileTokens) {
          const bool last = t + 2 * kTileTokens > tokens;
          multiply<Format, kTileTokens>(
              panel, blocks, stride,
              last ? static_cast<int64_t>(sizeof(Q8Block)) - t * stride : next_tile,
              sums + t * kPanelRows);
          blocks =
              reinterpret_cast<const Q8Block*>(reinterpret_cast<const char*>(blocks) + next_tile);
        }
        multiply_rest<Format>(tokens - t, panel, blocks, stride, sums + t * kPanelRows);
      }
      store_panel(sums, *task, row, rows, token, tokens);
    }
  }
}

}  // namespace
}  // namespace issun::kernels
