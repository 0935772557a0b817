// Attention of one key-value head: online softmax over tiles of positions, in F32 but for the
// products with quantised caches (cache_bytes.inl).
// Source: Milakov and Gimelshein, "Online normalizer calculation for softmax" (2018); Dao et al.,
// "FlashAttention" (2022).
#pragma once

#include "kernels/cache_table.inl"

namespace issun::kernels {
namespace {

int64_t attention_scratch_bytes(int key_width, int value_width) {
  const int64_t key = padded(key_width), value = padded(value_width);
  const int64_t floats =
      key * kPositions + value * (kPositions + kQueryRows) + kQueryRows * (kPositions + 2);
  const int64_t queries = kQueryRows * (2 * key + 4 * (key / 32 + 1));
  const int64_t halves = kByteRows * 2 * kPositions;
  return floats * 4 + (kByteCaches ? queries + halves : 0);
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
  s.total = p, p += kQueryRows;
  s.queries.scale = p, p += kQueryRows;
  s.queries.sums = reinterpret_cast<int32_t*>(p), p += kQueryRows * key / 32;
  s.queries.halves = reinterpret_cast<int8_t*>(p);
  s.halves = s.queries.halves + kQueryRows * key * 2;
  return s;
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

inline Slope slope_of(const AttentionTask& task, int row, int tile) {
  if (task.slopes == nullptr) return {0, 0};
  return {task.slopes[row], static_cast<float>(task.positions[row] - tile)};
}

// Scores of one row in a tile become logits, minus infinity outside of [begin, end), the positions
// that the row sees; gives the largest. scale: of the scores.
inline float bound_scores(const AttentionTask& task, float scale, Slope falls, int begin, int end,
                          float* scores) {
  const F32x16 lowest = splat(-__builtin_inff());
  F32x16 largest_here = lowest;
  for (int v = 0; v < kPositions / 16; ++v) {
    F32x16 x = mul(load(scores + 16 * v), splat(scale));
    if (task.softcap != 0) x = mul(splat(task.softcap), tanh(mul(x, splat(1 / task.softcap))));
    if (falls.slope != 0)
      x = sub(x, mul(splat(falls.slope), abs(sub(load(kLanes + 16 * v), splat(falls.at)))));
    const int first = begin - 16 * v, last = end - 16 * v;
    if (first > 0 || last < 16)
      x = choose_range(clamp(first, 0, 16), clamp(last, 0, 16), x, lowest);
    largest_here = max(largest_here, x);
    store(scores + 16 * v, x);
  }
  return largest(largest_here);
}

// Logits of one row become exponentials; its sums so far are scaled to the new largest logit.
inline void raise_scores(float now, int width, float* scores, float* sums, float* top,
                         float* total) {
  const F32x16 offset = splat(now);
  F32x16 added = zero_f32();
  for (int v = 0; v < kPositions / 16; ++v) {
    const F32x16 e = exp(sub(load(scores + 16 * v), offset));
    added = add(added, e);
    store(scores + 16 * v, e);
  }
  if (now != *top) {
    const F32x16 shrink = exp(splat(*top - now));
    alignas(64) float factor[16];
    store(factor, shrink);
    *total *= factor[0];
    for (int c = 0; c < padded(width); c += 16) store(sums + c, mul(load(sums + c), shrink));
    *top = now;
  }
  *total += sum(added);
}

// Scores of rows in the tile at `tile` become exponentials. What waits for the largest of a row is
// apart from what does not, so that rows overlap.
inline void absorb_scores(const AttentionTask& task, const QueryRows& rows, int tile, float* scores,
                          const AttentionScratch& s) {
  float now[kQueryRows];
  bool sees[kQueryRows];
  for (int r = 0; r < rows.count; ++r) {
    const int at = rows.of_task + r;
    const int begin = clamp(task.visible_begin[at] - tile, 0, kPositions),
              end = clamp(task.visible_end[at] - tile, 0, kPositions);
    sees[r] = begin < end;
    if (!sees[r]) continue;
    now[r] = bound_scores(task, task.scale, slope_of(task, at, tile), begin, end,
                          scores + r * kPositions);
    const float before = s.top[rows.of_scratch + r];
    if (before > now[r]) now[r] = before;
  }
  for (int r = 0; r < rows.count; ++r) {
    const int at = rows.of_scratch + r;
    float* row = scores + r * kPositions;
    if (sees[r])
      raise_scores(now[r], task.value_width, row, s.sums + at * padded(task.value_width),
                   s.top + at, s.total + at);
    else
      for (int i = 0; i < kPositions; i += 16) store(row + i, zero_f32());
  }
}

// What rows see together, of which nothing is summed up yet.
struct Seen {
  int begin, end;
};
inline Seen start_rows(const AttentionTask& task, int row, int rows, const AttentionScratch& s) {
  Seen seen{task.visible_begin[row], task.visible_end[row]};
  for (int r = 0; r < rows; ++r) {
    if (task.visible_begin[row + r] < seen.begin) seen.begin = task.visible_begin[row + r];
    if (task.visible_end[row + r] > seen.end) seen.end = task.visible_end[row + r];
    s.top[r] = task.sinks != nullptr ? task.sinks[row + r] : -__builtin_inff();
    s.total[r] = task.sinks != nullptr ? 1 : 0;
  }
  const auto floats = static_cast<size_t>(rows * padded(task.value_width));
  __builtin_memset(s.sums, 0, sizeof(float) * floats);
  return seen;
}

// pack(begin, end) for each tile of positions that rows [row, row + rows) see, and attend(rows,
// begin) for those of its blocks of kBlock rows that see something of it.
template <int kBlock, class Pack, class Attend>
inline void each_tile(const AttentionTask& task, int row, int rows, Seen seen, Pack&& pack,
                      Attend&& attend) {
  for (int tile = seen.begin / kPositions * kPositions; tile < seen.end; tile += kPositions) {
    bool packed = false;
    for (int first = 0; first < rows; first += kBlock) {
      const int some = rows - first < kBlock ? rows - first : kBlock;
      bool sees = false;
      for (int r = row + first; r < row + first + some; ++r)
        sees = sees || (task.visible_end[r] > tile && task.visible_begin[r] < tile + kPositions);
      if (!sees) continue;
      if (!packed) pack(tile, seen.end < tile + kPositions ? seen.end : tile + kPositions);
      packed = true;
      attend(QueryRows{row + first, first, some}, tile);
    }
  }
}

inline void finish_rows(const AttentionTask& task, int row, int rows, const AttentionScratch& s) {
  for (int r = 0; r < rows; ++r)
    scale(s.sums + r * padded(task.value_width), 1 / s.total[r], task.value_width,
          task.out + (row + r) * task.out_stride);
}

// A tile of one row and of any types has so many places that ask for the next one (131,072
// positions, Q8_0, four rows: 2,850 us when it was asked for at once, 1,860 so).
constexpr int kTimesToAsk = 12;

// The keys and values of the tile at `begin`.
inline NextTile next_tile(const AttentionTask& task, int begin) {
  const CacheRows &keys = rows_of_type(task, task.key_type),
                  &values = rows_of_type(task, task.value_type);
  const int64_t key_bytes = keys.row_bytes(task.key_width),
                value_bytes = values.row_bytes(task.value_width);
  NextTile next;
  next.key = page_row(task.key_pages, task.page_tokens, begin, key_bytes);
  next.value = page_row(task.value_pages, task.page_tokens, begin, value_bytes);
  next.key_lines = static_cast<int>(kPositions * key_bytes / 64);
  next.value_lines = static_cast<int>(kPositions * value_bytes / 64);
  next.share = (next.key_lines + next.value_lines + kTimesToAsk - 1) / kTimesToAsk;
  return next;
}

// Query rows [row, row + rows).
inline void attend_rows(const AttentionTask& task, int row, int rows, const AttentionScratch& s) {
  const CacheRows &keys = rows_of_type(task, task.key_type),
                  &values = rows_of_type(task, task.value_type);
  const int value_stride = padded(task.value_width);
  const auto [begin, end] = start_rows(task, row, rows, s);
  if (keys.splits) split_queries(task, row, rows, s);
  for (int tile = begin / kPositions * kPositions; tile < end; tile += kPositions) {
    // Rows are in order of their tokens as a rule: those before `first` see nothing of this tile.
    int first = 0, last = rows;
    while (first < rows && task.visible_end[row + first] <= tile) ++first;
    while (last > first && task.visible_begin[row + last - 1] >= tile + kPositions) --last;
    if (first >= last) continue;
    const int tile_end = end < tile + kPositions ? end : tile + kPositions;
    *s.next = tile_end < end ? next_tile(task, tile_end) : NextTile{};
    const QueryRows seen{row + first, first, last - first};
    keys.score(task, tile, tile_end, seen, s);
    absorb_scores(task, seen, tile, s.scores + first * kPositions, s);
    s.next->ask();
    values.add_values(task, tile, tile_end, s.scores + first * kPositions, seen.count,
                      s.sums + first * value_stride, s);
  }
  finish_rows(task, row, rows, s);
}

void attention(const AttentionTask* task, void* scratch) {
  AttentionScratch s = cut(*task, scratch);
  NextTile next;
  s.next = &next;
  for (int row = 0; row < task->rows; row += kQueryRows)
    attend_rows(*task, row, task->rows - row < kQueryRows ? task->rows - row : kQueryRows, s);
}

}  // namespace
}  // namespace issun::kernels
