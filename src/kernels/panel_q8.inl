// Many tokens: rows of weights unpacked once, lane = row, against 8-bit activations.
#pragma once

#include "kernels/kernels.h"
#include "kernels/panel.inl"
#include "kernels/quantise.inl"

namespace issun::kernels {
namespace {

// Tokens that share one unpacking; their sums must stay in the scratch.
constexpr int kPanelTokens = 512;
// From so many on their activations are more than what the first cache keeps beside a panel.
constexpr int kManyTokens = 64;

// Lines of a Q8Block that a panel reads: all up to and, with 16-column groups, including offset16.
template <class Shape>
constexpr int kBlockLines = Shape::kGroup == 16 ? 7 : 6;

#ifdef ISSUN_MATRIX_DOT
// multiply_group by products of matrices. A last token without a second one has itself beside it.
template <class Shape, int kTokens>
__attribute__((always_inline)) inline void multiply_matrices(
    const Panel<Shape>& panel, const Q8Block* const (&blocks)[kTokens], int g,
    I32x16 (&d)[kTileVectors][kTokens]) {
  static_assert(Shape::kSigned && Shape::kZero == 0);
  constexpr int kPairs = (kTokens + 1) / 2, kSteps = Shape::kGroup / 8;
  for (int v = 0; v < kTileVectors; ++v) {
    I32x32 sums[kPairs];
    for (I32x32& sum : sums) sum = zero_i32x32();
    unrolled<kSteps>([&]<int step>() __attribute__((always_inline)) {
      const int at = Shape::kGroup * g + 8 * step;
      for (int p = 0; p < kPairs; ++p)
        sums[p] = dot8(sums[p], panel.quads[v] + at / 4, blocks[2 * p]->q + at,
                       blocks[2 * p + 1 < kTokens ? 2 * p + 1 : 2 * p]->q + at);
    });
    for (int p = 0; p < kPairs; ++p) {
      I32x16 none;
      part(sums[p], d[v][2 * p], 2 * p + 1 < kTokens ? d[v][2 * p + 1] : none);
    }
  }
}
#endif

// 256 columns of tokens as the tile multiplies words of 16 bits by them.
template <class Shape, int kTokens>
struct TokenWords {
  alignas(64) int16_t of[kWordWeights<Shape> ? kTokens : 1][kWordWeights<Shape> ? kUnit : 1];

  explicit TokenWords(const Q8Block* const (&blocks)[kTokens]) {
    if constexpr (kWordWeights<Shape>)
      for (int t = 0; t < kTokens; ++t)
        for (int c = 0; c < kUnit; c += 16) store_half(of[t] + c, bytes_to_i16(blocks[t]->q + c));
  }
};

// A group of kPanelRows rows times that of kTokens tokens, in integers.
template <class Shape, int kTokens>
__attribute__((always_inline)) inline void multiply_group(const Panel<Shape>& panel,
                                                          const Q8Block* const (&blocks)[kTokens],
                                                          const TokenWords<Shape, kTokens>& words,
                                                          int g,
                                                          I32x16 (&d)[kTileVectors][kTokens]) {
#ifdef ISSUN_MATRIX_DOT
  return multiply_matrices<Shape, kTokens>(panel, blocks, g, d);
#endif
  constexpr int kQuads = Shape::kGroup / 4;
  for (int t = 0; t < kTokens; ++t) {
    I32x16 start = zero_i32();
    if constexpr (Shape::kZero != 0) {
      start = splat(Shape::kGroup == 32 ? blocks[t]->offset32[g] : blocks[t]->offset16[g]);
      if constexpr (Shape::kZero != 128)
        start = shift_right(start, __builtin_ctz(128 / Shape::kZero));
    }
    for (int v = 0; v < kTileVectors; ++v) d[v][t] = start;
  }
  if constexpr (kWordWeights<Shape>) {
    unrolled<2 * kQuads>([&]<int pair>() __attribute__((always_inline)) {
      const int at = 2 * kQuads * g + pair;
      I16x32 w[kTileVectors];
      for (int v = 0; v < kTileVectors; ++v)
        w[v] = load(reinterpret_cast<const int16_t*>(panel.quads[v][at]));
      for (int t = 0; t < kTokens; ++t) {
        const I16x32 a = splat2(words.of[t] + 2 * at);
        for (int v = 0; v < kTileVectors; ++v) d[v][t] = dot2(d[v][t], w[v], a);
      }
    });
  } else if constexpr (kWideDot || Shape::kSigned || Shape::kPairSums == 1) {
    unrolled<kQuads>([&]<int q>() __attribute__((always_inline)) {
      U8x64 w[kTileVectors];
      for (int v = 0; v < kTileVectors; ++v) w[v] = load(panel.quads[v][kQuads * g + q]);
      for (int t = 0; t < kTokens; ++t) {
        const I8x64 a = splat4(blocks[t]->q + Shape::kGroup * g + 4 * q);
        for (int v = 0; v < kTileVectors; ++v) {
          if constexpr (Shape::kSigned)
            d[v][t] = dot4(d[v][t], as_signed(w[v]), a);
          else
            d[v][t] = dot4(d[v][t], w[v], a);
        }
      }
    });
  } else {
    // Without an instruction that adds four products, pairs are added up in 16 bits as long as they
    // fit.
    unrolled<kQuads / Shape::kPairSums>([&]<int part>() __attribute__((always_inline)) {
      PairSums pairs[kTileVectors][kTokens];
      unrolled<Shape::kPairSums>([&]<int i>() __attribute__((always_inline)) {
        constexpr int q = part * Shape::kPairSums + i;
        U8x64 w[kTileVectors];
        for (int v = 0; v < kTileVectors; ++v) w[v] = load(panel.quads[v][kQuads * g + q]);
        for (int t = 0; t < kTokens; ++t) {
          const I8x64 a = splat4(blocks[t]->q + Shape::kGroup * g + 4 * q);
          for (int v = 0; v < kTileVectors; ++v) {
            if constexpr (i == 0)
              pairs[v][t] = pair_sums(w[v], a);
            else
              add_pairs(pairs[v][t], w[v], a);
          }
        }
      });
      for (int t = 0; t < kTokens; ++t)
        for (int v = 0; v < kTileVectors; ++v) d[v][t] = add_sums(d[v][t], pairs[v][t]);
    });
  }
}

// sums - what the activations of each group add up to times the offset of its weights.
template <class Shape, int kTokens>
inline void subtract_float_mins(const Panel<Shape>& panel, const Q8Block* const (&blocks)[kTokens],
                                float* sums) {
  for (int t = 0; t < kTokens; ++t) {
    const I32x16 offsets = load(Shape::kGroup == 32 ? blocks[t]->offset32 : blocks[t]->offset16);
    alignas(64) float minus_sums[16];
    store(minus_sums,
          mul(to_f32(offsets), mul(activation_scales<Shape>(*blocks[t]), splat(1.0f / 128))));
    for (int v = 0; v < kTileVectors; ++v) {
      float* to = sums + t * kPanelRows + 16 * v;
      F32x16 total = load(to);
      for (int g = 0; g < Panel<Shape>::kGroups; ++g)
        total = fma(load(panel.float_mins[v][g]), splat(minus_sums[g]), total);
      store(to, total);
    }
  }
}

// Memory that is unpacked next, brought near bit by bit while something else is computed: unpacking
// goes along many rows at a time, which the processor does not see as streams. Into the second
// cache, whose queue is the longer one (Q4_K, 2048 columns, 4 tokens: 264 microseconds into the
// first, 209 into the second, 288 where it is read in one go before it is unpacked).
struct NextPanel {
  const uint8_t* at;
  int64_t lines;  // that are left
  int64_t share;  // of them, asked for at a time

  void ask() {
    const int64_t some = share < lines ? share : lines;
    for (int64_t i = 0; i < some; ++i) prefetch_far(at + 64 * i);
    at += 64 * some, lines -= some;
  }
};

// What follows the panel at `row`: the next one, or what the caller expects.
inline NextPanel next_panel(const LinearTask& task, int64_t row, int64_t row_end, int tokens) {
  NextPanel next{static_cast<const uint8_t*>(task.next), task.next_bytes / 64, 0};
  const int64_t left = row_end - row - kPanelRows;
  if (left > 0) {
    next.at = static_cast<const uint8_t*>(task.weights) + (row + kPanelRows) * task.row_bytes;
    next.lines = (left < kPanelRows ? left : kPanelRows) * task.row_bytes / 64;
  }
  // In each block of columns: twice around what unpacks 16 rows, four times in a tile.
  const int64_t times = (task.columns + kUnit - 1) / kUnit *
                        (2 * kTileVectors + (tokens + kTileTokens - 1) / kTileTokens * 4);
  next.share = (next.lines + times - 1) / times;
  return next;
}

// A panel times one block of kTokens tokens, added to sums: (tokens, kPanelRows). The scale of the
// activations is met once in 64 columns, where the sums are fetched and put back: registers have
// room for two sets of sums only, and three multiplications for two groups are less than four.
// `ahead`: bytes from each of the blocks to one that will be needed soon, 0: none. Fetching it by
// hand matters where all activations are more than the caches hold and a block is too short for the
// processor to see a stream.
template <class Shape, int kTokens>
void multiply(const Panel<Shape>& panel, const Q8Block* first, int64_t stride, int64_t ahead,
              NextPanel& next, float* sums) {
  constexpr int kGroups = 64 / Shape::kGroup;  // that share a scale of the activations
  const Q8Block* blocks[kTokens];
  for (int t = 0; t < kTokens; ++t)
    blocks[t] = reinterpret_cast<const Q8Block*>(reinterpret_cast<const char*>(first) + t * stride);
  if (ahead != 0)
    for (int line = 0; line < kBlockLines<Shape>; ++line)
      for (int t = 0; t < kTokens; ++t)
        prefetch(reinterpret_cast<const char*>(blocks[t]) + ahead + 64 * line);
  const TokenWords<Shape, kTokens> words(blocks);
  for (int part = 0; part < 4; ++part) {
    next.ask();
    F32x16 scaled[kTileVectors][kTokens];
    unrolled<kGroups>([&]<int i>() __attribute__((always_inline)) {
      const int g = kGroups * part + i;
      I32x16 d[kTileVectors][kTokens];
      multiply_group<Shape, kTokens>(panel, blocks, words, g, d);
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
  if constexpr (Shape::kMins == Mins::kFloats)
    subtract_float_mins<Shape, kTokens>(panel, blocks, sums);
  if constexpr (Shape::kMins == Mins::kIntegers) {
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
template <class Shape>
void multiply_rest(int tokens, const Panel<Shape>& panel, const Q8Block* first, int64_t stride,
                   NextPanel& next, float* sums) {
  const auto at = [&](int t) {
    return reinterpret_cast<const Q8Block*>(reinterpret_cast<const char*>(first) + t * stride);
  };
  int t = 0;
  if constexpr (kTileTokens > 4)
    if (tokens - t >= 4)
      multiply<Shape, 4>(panel, at(t), stride, 0, next, sums + t * kPanelRows), t += 4;
  if constexpr (kTileTokens > 2)
    if (tokens - t >= 2)
      multiply<Shape, 2>(panel, at(t), stride, 0, next, sums + t * kPanelRows), t += 2;
  if (tokens - t >= 1) multiply<Shape, 1>(panel, at(t), stride, 0, next, sums + t * kPanelRows);
}

// Reads memory once from front to back, which the processor sees as a stream.
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

template <class Shape>
struct PanelScratch {
  Panel<Shape> panel;
  alignas(64) float sums[kPanelTokens * kPanelRows];
};

// All tokens, at most kPanelTokens, times the panel of 256 columns from column c on.
template <class Shape>
inline void multiply_tokens(const LinearTask& task, const Panel<Shape>& panel, int c, int token,
                            int tokens, NextPanel& next, float* sums) {
  const auto* activations =
      static_cast<const char*>(task.activations) + token * task.activation_stride;
  const auto* blocks = reinterpret_cast<const Q8Block*>(activations) + c / kUnit;
  const int64_t stride = task.activation_stride;
  // After the last tile of this column block comes the first one of the next.
  const int64_t next_tile = kTileTokens * stride;
  int t = 0;
  for (; t + kTileTokens <= tokens; t += kTileTokens) {
    const bool last = t + 2 * kTileTokens > tokens;
    multiply<Shape, kTileTokens>(panel, blocks, stride,
                                 tokens < kManyTokens ? 0
                                 : last ? static_cast<int64_t>(sizeof(Q8Block)) - t * stride
                                        : next_tile,
                                 next, sums + t * kPanelRows);
    blocks = reinterpret_cast<const Q8Block*>(reinterpret_cast<const char*>(blocks) + next_tile);
  }
  multiply_rest<Shape>(tokens - t, panel, blocks, stride, next, sums + t * kPanelRows);
}

template <class Shape>
ISSUN_SHARED void panel_rows(const LinearTask& task, const PanelSource<Shape>& format,
                             int64_t row_begin, int64_t row_end, void* scratch) {
  static_assert(sizeof(PanelScratch<Shape>) <= kScratchBytes);
  auto& [panel, sums] = *static_cast<PanelScratch<Shape>*>(scratch);
  for (int token = 0; token < task.tokens; token += kPanelTokens) {
    const int tokens = task.tokens - token < kPanelTokens ? task.tokens - token : kPanelTokens;
    for (int64_t row = row_begin; row < row_end; row += kPanelRows) {
      const int rows = row_end - row < kPanelRows ? static_cast<int>(row_end - row) : kPanelRows;
      const uint8_t* unit = static_cast<const uint8_t*>(task.weights) + row * task.row_bytes;
      // What nobody could know beforehand is read once from front to back; it may be near already.
      if (row == row_begin) touch(unit, rows * task.row_bytes);
      NextPanel next = next_panel(task, row, row_end, tokens);
      __builtin_memset(sums, 0, sizeof(float) * static_cast<size_t>(tokens * kPanelRows));
      for (int c = 0; c < task.columns; c += kUnit, unit += format.unit_bytes) {
        const int columns = task.columns - c < kUnit ? task.columns - c : kUnit;
        for (int v = 0; v < kTileVectors && 16 * v < rows; ++v) {
          next.ask();
          format.unpack(unit + 16 * v * task.row_bytes, task.row_bytes,
                        rows - 16 * v < 16 ? rows - 16 * v : 16, columns, v, panel);
          next.ask();
        }
        multiply_tokens<Shape>(task, panel, c, token, tokens, next, sums);
      }
      store_panel(sums, task, row, rows, token, tokens);
    }
  }
}

template <class Format>
void panel_q8(const LinearTask* task, int64_t row_begin, int64_t row_end, void* scratch) {
  panel_rows(*task, kPanelSource<Format>, row_begin, row_end, scratch);
}

// The rare formats.
template <class Format>
void panel_unpacked(const LinearTask* task, int64_t row_begin, int64_t row_end, void* scratch) {
  panel_rows(*task, kRarePanelSource<Format>, row_begin, row_end, scratch);
}

}  // namespace
}  // namespace issun::kernels
