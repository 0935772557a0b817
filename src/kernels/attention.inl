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
  float* keys;      // (key_width, kPositions): lane = position
  float* values;    // (kPositions, padded value_width)
  float* gathered;  // (16, padded key_width)
  float* scores;    // (kQueryRows, kPositions)
  float* sums;      // (kQueryRows, padded value_width): weighted values so far
  float* top;       // (kQueryRows): the largest score so far
  float* total;     // (kQueryRows): the sum of exponentials so far
};

inline int padded(int width) { return (width + 31) & -32; }

int64_t attention_scratch_bytes(int key_width, int value_width) {
  const int64_t floats = int64_t{padded(key_width)} * (kPositions + 16) +
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
  s.gathered = p, p += key * 16;
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

// Keys of [begin, end) as columns, values as rows; what lies beyond `end` becomes zero.
template <class Format>
void gather(const AttentionTask& task, int begin, int end, const AttentionScratch& s) {
  const int key_stride = padded(task.key_width), value_stride = padded(task.value_width);
  for (int first = 0; first < kPositions; first += 16) {
    for (int i = 0; i < 16; ++i) {
      float* row = s.gathered + i * key_stride;
      if (begin + first + i < end)
        decode_some<Format>(
            page_row<Format>(task.key_pages, task.page_tokens, begin + first + i, task.key_width),
            task.key_width, row);
      else
        __builtin_memset(row, 0, sizeof(float) * static_cast<size_t>(task.key_width));
    }
    for (int c = 0; c < task.key_width; c += 16) {
      F32x16 m[16];
      for (int i = 0; i < 16; ++i) m[i] = load(s.gathered + i * key_stride + c);
      transpose(m);
      for (int i = 0; i < 16; ++i) store(s.keys + (c + i) * kPositions + first, m[i]);
    }
  }
  for (int i = 0; begin + i < end; ++i)
    decode_some<Format>(
        page_row<Format>(task.value_pages, task.page_tokens, begin + i, task.value_width),
        task.value_width, s.values + i * value_stride);
}

// to(rows, 32 lanes at a time) (+)= the rows of `from` times a panel of `columns` columns.
template <int kRows, bool kAdd>
void multiply_rows(const float* from, int64_t from_stride, const float* panel, int64_t panel_stride,
                   int columns, int lanes, float* to, int64_t to_stride) {
  const float* rows[kRows];
  for (int r = 0; r < kRows; ++r) rows[r] = from + r * from_stride;
  for (int lane = 0; lane < lanes; lane += 32) {
    F32x16 acc[2][kRows];
    for (int r = 0; r < kRows; ++r)
      for (int v = 0; v < 2; ++v)
        acc[v][r] = kAdd ? load(to + r * to_stride + lane + 16 * v) : zero_f32();
    outer_products<2, kRows>(panel + lane, panel_stride, rows, columns, acc);
    for (int r = 0; r < kRows; ++r)
      for (int v = 0; v < 2; ++v) store(to + r * to_stride + lane + 16 * v, acc[v][r]);
  }
}
template <bool kAdd>
void multiply_all(const float* from, int64_t from_stride, int rows, const float* panel,
                  int64_t panel_stride, int columns, int lanes, float* to, int64_t to_stride) {
  int r = 0;
  for (; r + kQueryTile <= rows; r += kQueryTile)
    multiply_rows<kQueryTile, kAdd>(from + r * from_stride, from_stride, panel, panel_stride,
                                    columns, lanes, to + r * to_stride, to_stride);
  for (; r + 4 <= rows; r += 4)
    multiply_rows<4, kAdd>(from + r * from_stride, from_stride, panel, panel_stride, columns, lanes,
                           to + r * to_stride, to_stride);
  for (; r < rows; ++r)
    multiply_rows<1, kAdd>(from + r * from_stride, from_stride, panel, panel_stride, columns, lanes,
                           to + r * to_stride, to_stride);
}

// Scores of one row in a tile become exponentials; its sums so far are scaled to the new largest
// score. [begin, end): the positions of the tile that the row sees.
inline void absorb_scores(const AttentionTask& task, int begin, int end, float* scores, float* sums,
                          float* top, float* total) {
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
    gather<Format>(task, tile, tile_end, s);
    const int used = last - first;
    float* scores = s.scores + first * kPositions;
    multiply_all<false>(task.queries + (row + first) * task.query_stride, task.query_stride, used,
                        s.keys, kPositions, task.key_width, kPositions, scores, kPositions);
    for (int r = first; r < last; ++r)
      absorb_scores(task, clamp(task.visible_begin[row + r] - tile, 0, kPositions),
                    clamp(task.visible_end[row + r] - tile, 0, kPositions),
                    s.scores + r * kPositions, s.sums + r * value_stride, s.top + r, s.total + r);
    multiply_all<true>(scores, kPositions, used, s.values, value_stride, tile_end - tile,
                       task.value_width, s.sums + first * value_stride, value_stride);
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
