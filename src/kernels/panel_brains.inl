// Many tokens times rows of BF16, as they lie in the file: pairs of columns are words of a panel
// and meet activations that are rounded to bf16 (kBrainColumns in kernels.h); sums are F32.
#pragma once

#include "kernels/kernels.h"
#include "kernels/panel.inl"
#include "kernels/panel_q8.inl"

namespace issun::kernels {
namespace {

static_assert(kBrainColumns == kUnit);

// x less what is left of it in bf16; nothing where that is infinite.
inline F32x16 lost_in_bf16(F32x16 x) {
  uint16_t brain[16];
  store_bf16(brain, x);
  const F32x16 rounded = load_bf16(brain);
  return zero_where_below(splat(__FLT_MAX__), abs(rounded), sub(x, rounded));
}

// To as many planes as the products of a table read.
template <int planes>
void round_row(const float* x, int columns, void* to, int64_t plane_stride) {
  for (int first = 0; first < columns; first += kBrainColumns) {
    auto* high = reinterpret_cast<uint16_t*>(static_cast<char*>(to) +
                                             first / kBrainColumns * planes * plane_stride);
    auto* low = reinterpret_cast<uint16_t*>(reinterpret_cast<char*>(high) + plane_stride);
    const int lines = (columns - first + kBrainLine - 1) & -kBrainLine;
    for (int c = 0; c < kBrainColumns && c < lines; c += 16) {
      const int n = columns - first - c;
      const float* from = x + first + c;
      const F32x16 values = n >= 16 ? load(from) : n > 0 ? load_first(from, n) : zero_f32();
      store_bf16(high + c, values);
      if constexpr (planes == 2) store_bf16(low + c, lost_in_bf16(values));
    }
  }
}

#ifdef ISSUN_PAIR_DOT
struct BrainPanel {
  // Word r of pairs[p][v]: columns 2 p and 2 p + 1 of row 16 v + r.
  alignas(64) uint8_t pairs[kUnit / 2][kTileVectors][64];
};
struct BrainScratch {
  BrainPanel panel;
  alignas(64) float sums[kPanelTokens * kPanelRows];
};

// 16 rows, of which `rows` are there, of at most 256 columns; zeros up to a whole line.
inline void unpack_brains(const uint8_t* from, int64_t stride, int rows, int columns, int v,
                          BrainPanel& panel) {
  for (int c = 0; c < columns; c += kBrainLine) {
    U8x64 m[16];
    for (int r = 0; r < 16; ++r) {
      const uint8_t* line = from + (r < rows ? r : rows - 1) * stride + 2 * c;
      alignas(64) uint8_t tail[64] = {};
      if (columns - c < kBrainLine) {
        __builtin_memcpy(tail, line, static_cast<size_t>(2 * (columns - c)));
        line = tail;
      }
      m[r] = load(line);
    }
    transpose(m);
    for (int i = 0; i < 16; ++i) store(panel.pairs[c / 2 + i][v], m[i]);
  }
}

// A panel of so many pairs times one block of kTokens tokens, added to sums: (tokens, kPanelRows).
template <int kTokens>
void multiply_brains(const BrainPanel& panel, int pairs, const char* first, int64_t stride,
                     NextPanel& next, float* sums) {
  F32x16 acc[kTileVectors][kTokens];
  for (int t = 0; t < kTokens; ++t)
    for (int v = 0; v < kTileVectors; ++v) acc[v][t] = load(sums + t * kPanelRows + 16 * v);
  for (int p = 0; p < pairs; ++p) {
    if (p % (kUnit / 8) == 0) next.ask();
    Bf16x32 w[kTileVectors];
    for (int v = 0; v < kTileVectors; ++v) w[v] = load_pairs(panel.pairs[p][v]);
    for (int t = 0; t < kTokens; ++t) {
      const Bf16x32 x = splat_pair(first + t * stride + 4 * p);
      for (int v = 0; v < kTileVectors; ++v) acc[v][t] = dot2(acc[v][t], w[v], x);
    }
  }
  for (int t = 0; t < kTokens; ++t)
    for (int v = 0; v < kTileVectors; ++v) store(sums + t * kPanelRows + 16 * v, acc[v][t]);
}

inline void multiply_brain_tokens(const BrainPanel& panel, int pairs, const char* activations,
                                  int64_t stride, int tokens, NextPanel& next, float* sums) {
  int t = 0;
  const auto some = [&]<int count>() __attribute__((always_inline)) {
    multiply_brains<count>(panel, pairs, activations + t * stride, stride, next,
                           sums + t * kPanelRows);
    t += count;
  };
  while (tokens - t >= kTileTokens) some.template operator()<kTileTokens>();
  if constexpr (kTileTokens > 4)
    if (tokens - t >= 4) some.template operator()<4>();
  while (tokens - t >= 2) some.template operator()<2>();
  if (tokens - t >= 1) some.template operator()<1>();
}

void panel_brains(const LinearTask* task, int64_t row_begin, int64_t row_end, void* memory) {
  static_assert(sizeof(BrainScratch) <= kScratchBytes);
  auto& [panel, sums] = *static_cast<BrainScratch*>(memory);
  for (int token = 0; token < task->tokens; token += kPanelTokens) {
    const int tokens = task->tokens - token < kPanelTokens ? task->tokens - token : kPanelTokens;
    const char* activations =
        static_cast<const char*>(task->activations) + token * task->activation_stride;
    for (int64_t row = row_begin; row < row_end; row += kPanelRows) {
      const int rows = row_end - row < kPanelRows ? static_cast<int>(row_end - row) : kPanelRows;
      const uint8_t* from = static_cast<const uint8_t*>(task->weights) + row * task->row_bytes;
      if (row == row_begin) touch(from, rows * task->row_bytes);
      NextPanel next = next_panel(*task, row, row_end, tokens);
      __builtin_memset(sums, 0, sizeof(float) * static_cast<size_t>(tokens * kPanelRows));
      for (int c = 0; c < task->columns; c += kUnit) {
        const int columns = task->columns - c < kUnit ? task->columns - c : kUnit;
        for (int v = 0; v < kTileVectors && 16 * v < rows; ++v) {
          next.ask();
          unpack_brains(from + 2 * c + 16 * v * task->row_bytes, task->row_bytes,
                        rows - 16 * v < 16 ? rows - 16 * v : 16, columns, v, panel);
          next.ask();
        }
        multiply_brain_tokens(panel, (columns + 1) / 2,
                              activations + c / kUnit * task->plane_stride, task->activation_stride,
                              tokens, next, sums);
      }
      store_panel(sums, *task, row, rows, token, tokens);
    }
  }
}
#endif

}  // namespace
}  // namespace issun::kernels
