// Attention of one key-value head: online softmax over tiles of positions, all in F32.
// Source: Milakov and Gimelshein, "Online normalizer calculation for softmax" (2018); Dao et al.,
// "FlashAttention" (2022).
#pragma once

#include "kernels/decode.inl"
#include "kernels/product_f32.inl"
#include "kernels/rows.inl"

namespace issun::kernels {
namespace {

// Positions are taken in tiles that start at multiples of kPositions whatever a call sees, and a
// tile in which a row sees nothing leaves that row's sums as they are: so its bits depend on
// nothing else.
constexpr int kPositions = 64;
// Query rows that share one conversion of keys and values.
constexpr int kQueryRows = 96;
constexpr int kQueryTile = 6;  // rows whose sums fit into registers with two vectors each

struct AttentionScratch {
  float* keys;    // (key_width, kPositions): lane = position
  float* values;  // (kPositions, padded value_width)
  float* scores;  // (kQueryRows, kPositions)
  float* sums;    // (kQueryRows, padded value_width): weighted values so far
  float* top;     // (kQueryRows): the largest score so far
  float* total;   // (kQueryRows): the sum of exponentials so far
};

inline int padded(int width) { return (width + 31) & -32; }

int64_t attention_scratch_bytes(int key_width, int value_width) {
  const int64_t floats = int64_t{padded(key_width)} * kPositions +
                         int64_t{padded(value_width)} * (kPositions + kQueryRows) +
                         kQueryRows * (kPositions + 2);
  return floats * 4;
}

inline AttentionScratch cut(const AttentionTask& task, void* memory) {
  auto* p = static_cast<float*>(memory);
  const int key = padded(task.key_width), value = padded(task.value_width);
  AttentionScratch s;
  s.keys = p, p += key * kPositions;
  s.values = p, p += value * kPositions;
  s.scores = p, p += kQueryRows * kPositions;
  s.sums = p, p += kQueryRows * value;
  s.top = p, p += kQueryRows;
  s.total = p;
  return s;
}

// Position `at` of pages of rows.
template <class Format>
inline const uint8_t* page_row(const void* const* pages, int page_tokens, int at, int width) {
  return static_cast<const uint8_t*>(pages[at / page_tokens]) +
         int64_t{at % page_tokens} * width * Format::kBytes;
}

// Keys of [begin, end) as columns; what lies beyond `end` becomes zero.
template <class Format>
void gather_keys(const AttentionTask& task, int begin, int end, const AttentionScratch& s) {
  const int width = task.key_width;
  for (int first = 0; first < kPositions; first += 16) {
    const uint8_t* rows[16];
    const int used = end - begin - first < 0    ? 0
                     : end - begin - first < 16 ? end - begin - first
                                                : 16;
    for (int i = 0; i < used; ++i)
      rows[i] = page_row<Format>(task.key_pages, task.page_tokens, begin + first + i, width);
    for (int c = 0; c < width; c += 16) {
      F32x16 m[16];
      if (used == 16 && c + 16 <= width) {
        for (int i = 0; i < 16; ++i) m[i] = Format::load16(rows[i] + c * Format::kBytes);
      } else {
        for (int i = 0; i < 16; ++i) {
          alignas(64) float some[16] = {};
          const int columns = width - c < 16 ? width - c : 16;
          if (i < used) decode_some<Format>(rows[i] + c * Format::kBytes, columns, some);
          m[i] = load(some);
        }
      }
      transpose(m);
      for (int i = 0; i < 16; ++i) store(s.keys + (c + i) * kPositions + first, m[i]);
    }
  }
}

template <class Format>
void gather_values(const AttentionTask& task, int begin, int end, const AttentionScratch& s) {
  for (int i = 0; begin + i < end; ++i)
    decode_some<Format>(
        page_row<Format>(task.value_pages, task.page_tokens, begin + i, task.value_width),
        task.value_width, s.values + i * padded(task.value_width));
}

// to(rows, `lanes` numbers, 32 at a time) = or += `rows` of from(rows, columns) times
// panel(columns, lanes).
struct RowProducts {
  const float* from;
  int64_t from_stride;
  int rows;
  const uint8_t* panel;
  int64_t panel_row_bytes;
  int columns, lanes;
  float* to;
  int64_t to_stride;
};

template <class Format, bool kAdd, int kRows>
void multiply_some(const RowProducts& p, int row) {
  const float* rows[kRows];
  for (int r = 0; r < kRows; ++r) rows[r] = p.from + (row + r) * p.from_stride;
  for (int lane = 0; lane < p.lanes; lane += 32) {
    float* to = p.to + row * p.to_stride + lane;
    F32x16 acc[2][kRows];
    for (int r = 0; r < kRows; ++r)
      for (int v = 0; v < 2; ++v)
        acc[v][r] = kAdd ? load(to + r * p.to_stride + 16 * v) : zero_f32();
    outer_products<Format, 2, kRows>(p.panel + lane * Format::kBytes, p.panel_row_bytes, rows,
                                     p.columns, acc);
    for (int r = 0; r < kRows; ++r)
      for (int v = 0; v < 2; ++v) store(to + r * p.to_stride + 16 * v, acc[v][r]);
  }
}
template <class Format, bool kAdd>
void multiply_rows(const RowProducts& p) {
  int r = 0;
  for (; r + kQueryTile <= p.rows; r += kQueryTile) multiply_some<Format, kAdd, kQueryTile>(p, r);
  for (; r + 4 <= p.rows; r += 4) multiply_some<Format, kAdd, 4>(p, r);
  for (; r < p.rows; ++r) multiply_some<Format, kAdd, 1>(p, r);
}

// sums += weights times the values of [begin, end).
template <class Format>
void add_values(const AttentionTask& task, int begin, int end, const float* weights, int rows,
                float* sums, const AttentionScratch& s) {
  const int stride = padded(task.value_width);
  RowProducts products{
      weights,          kPositions, rows,  bytes_of(s.values), stride * int64_t{4}, end - begin,
      task.value_width, sums,       stride};
  // Few rows meet values where they lie, if they lie in one page; many meet them converted once.
  if (rows <= kQueryTile && task.page_tokens % kPositions == 0 && task.value_width == stride) {
    products.panel = page_row<Format>(task.value_pages, task.page_tokens, begin, task.value_width);
    products.panel_row_bytes = int64_t{task.value_width} * Format::kBytes;
    multiply_rows<Format, true>(products);
  } else {
    gather_values<Format>(task, begin, end, s);
    multiply_rows<F32, true>(products);
  }
}

// Lanes of a tile, as positions.
alignas(64) constexpr float kLanes[kPositions] = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
    22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
    44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};

// How a row's scores fall with the distance; `at` is its position, counted from the tile's first.
struct Slope {
  float slope, at;
};

// Scores of one row in a tile become exponentials; its sums so far are scaled to the new largest
// score. [begin, end): the positions of the tile that the row sees.
inline void absorb_scores(const AttentionTask& task, Slope falls, int begin, int end, float* scores,
                          float* sums, float* top, float* total) {
  if (begin >= end) {
    for (int i = 0; i < kPositions; i += 16) store(scores + i, zero_f32());
    return;
  }
  const F32x16 lowest = splat(-__builtin_inff());
  F32x16 x[kPositions / 16], largest_here = lowest;
  for (int v = 0; v < kPositions / 16; ++v) {
    x[v] = mul(load(scores + 16 * v), splat(task.scale));
    if (task.softcap != 0)
      x[v] = mul(splat(task.softcap), tanh(mul(x[v], splat(1 / task.softcap))));
    if (falls.slope != 0)
      x[v] = sub(x[v], mul(splat(falls.slope), abs(sub(load(kLanes + 16 * v), splat(falls.at)))));
    const int first = begin - 16 * v, last = end - 16 * v;
    if (first > 0 || last < 16)
      x[v] = choose_range(first < 0    ? 0
                          : first > 16 ? 16
                                       : first,
                          last < 0    ? 0
                          : last > 16 ? 16
                                      : last,
                          x[v], lowest);
    largest_here = max(largest_here, x[v]);
  }
  const float here = largest(largest_here), before = *top;
  const float now = here > before ? here : before;
  const F32x16 offset = splat(now);
  F32x16 added = zero_f32();
  for (int v = 0; v < kPositions / 16; ++v) {
    const F32x16 e = exp(sub(x[v], offset));
    added = add(added, e);
    store(scores + 16 * v, e);
  }
  if (now != before) {
    const F32x16 shrink = exp(splat(before - now));
    alignas(64) float factor[16];
    store(factor, shrink);
    *total *= factor[0];
    for (int c = 0; c < padded(task.value_width); c += 16)
      store(sums + c, mul(load(sums + c), shrink));
  }
  *total += sum(added);
  *top = now;
}

inline Slope slope_of(const AttentionTask& task, int row, int tile) {
  if (task.slopes == nullptr) return {0, 0};
  return {task.slopes[row], static_cast<float>(task.positions[row] - tile)};
}

inline int clamp(int x, int low, int high) { return x < low ? low : x > high ? high : x; }

// Query rows [row, row + rows).
template <class Format>
void attend_rows(const AttentionTask& task, int row, int rows, const AttentionScratch& s) {
  const int value_stride = padded(task.value_width);
  int begin = task.visible_begin[row], end = task.visible_end[row];
  for (int r = 0; r < rows; ++r) {
    if (task.visible_begin[row + r] < begin) begin = task.visible_begin[row + r];
    if (task.visible_end[row + r] > end) end = task.visible_end[row + r];
    s.top[r] = task.sinks != nullptr ? task.sinks[row + r] : -__builtin_inff();
    s.total[r] = task.sinks != nullptr ? 1 : 0;
  }
  __builtin_memset(s.sums, 0, sizeof(float) * static_cast<size_t>(rows * value_stride));
  for (int tile = begin / kPositions * kPositions; tile < end; tile += kPositions) {
    // Rows are in order of their tokens as a rule: those before `first` see nothing of this tile.
    int first = 0, last = rows;
    while (first < rows && task.visible_end[row + first] <= tile) ++first;
    while (last > first && task.visible_begin[row + last - 1] >= tile + kPositions) --last;
    if (first >= last) continue;
    const int tile_end = end < tile + kPositions ? end : tile + kPositions;
    gather_keys<Format>(task, tile, tile_end, s);
    const int used = last - first;
    float* scores = s.scores + first * kPositions;
    multiply_rows<F32, false>({task.queries + (row + first) * task.query_stride, task.query_stride,
                               used, bytes_of(s.keys), kPositions * 4, task.key_width, kPositions,
                               scores, kPositions});
    for (int r = first; r < last; ++r)
      absorb_scores(task, slope_of(task, row + r, tile),
                    clamp(task.visible_begin[row + r] - tile, 0, kPositions),
                    clamp(task.visible_end[row + r] - tile, 0, kPositions),
                    s.scores + r * kPositions, s.sums + r * value_stride, s.top + r, s.total + r);
    add_values<Format>(task, tile, tile_end, scores, used, s.sums + first * value_stride, s);
  }
  for (int r = 0; r < rows; ++r)
    scale(s.sums + r * value_stride, 1 / s.total[r], task.value_width,
          task.out + (row + r) * task.out_stride);
}

template <class Format>
void attention(const AttentionTask* task, void* scratch) {
  const AttentionScratch s = cut(*task, scratch);
  for (int row = 0; row < task->rows; row += kQueryRows)
    attend_rows<Format>(*task, row, task->rows - row < kQueryRows ? task->rows - row : kQueryRows,
                        s);
}

}  // namespace
}  // namespace issun::kernels
