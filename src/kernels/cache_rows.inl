// The rows of a cache as attention reads them: tiles of keys and values as floats, whatever the
// type of each. What blocks that stay bytes (cache_bytes.inl) need of the scratch is also here.
// Rows of blocks are filled up to whole blocks.
#pragma once

#include "kernels/decode.inl"
#include "kernels/kernels.h"
#include "kernels/product_f32.inl"

namespace issun::kernels {
namespace {

// Positions are taken in tiles that start at multiples of kPositions whatever a call sees, and a
// tile in which a row sees nothing leaves that row's sums as they are: so its bits depend on
// nothing else.
constexpr int kPositions = 64;
// Query rows that share one conversion of keys and values.
constexpr int kQueryRows = 96;
constexpr int kByteRows = kTileVectors == 2 ? 4 : 2;  // of them at a time, where caches stay bytes
constexpr int kQueryTile = 6;  // rows whose sums fit into registers with kGemmVectors each

// Queries as integers of 15 bits, 128 * high + low, in groups of 32.
struct SplitQueries {
  int8_t* halves;  // (kQueryRows, groups, 2, 32): high and low
  float* scale;    // (kQueryRows): what the integers are multiples of
  int32_t* sums;   // (kQueryRows, groups): of the integers
};

// Keys and values of the tile that comes next, asked for bit by bit while one is computed: all at
// once they would have to wait for each other.
struct NextTile {
  const uint8_t *key = nullptr, *value = nullptr;
  int key_lines = 0, value_lines = 0;  // that are left
  int share = 0;                       // of them, asked for at a time

  void ask() {
    int lines = share;
    for (; lines > 0 && key_lines > 0; --lines, --key_lines, key += 64) prefetch_far(key);
    for (; lines > 0 && value_lines > 0; --lines, --value_lines, value += 64) prefetch_far(value);
  }
};

struct AttentionScratch {
  float* keys;    // (padded key_width, kPositions): lane = position; or a panel of bytes
  float* values;  // (kPositions, padded value_width); or a panel of bytes
  float* scores;  // (kQueryRows, kPositions)
  float* sums;    // (kQueryRows, padded value_width): weighted values so far
  float* top;     // (kQueryRows): the largest score so far
  float* total;   // (kQueryRows): the sum of exponentials so far
  SplitQueries queries;
  int8_t* halves;  // (kByteRows, 2, kPositions): of what values are multiplied with
  NextTile* next;
};

inline int padded(int width) { return (width + 31) & -32; }

template <class Format>
inline int64_t cache_row_bytes(int width) {
  return int64_t{(width + Format::kBlock - 1) / Format::kBlock} * Format::kBytes;
}

// Position `at` of pages of rows.
inline const uint8_t* page_row(const void* const* pages, int page_tokens, int at,
                               int64_t row_bytes) {
  return static_cast<const uint8_t*>(pages[at / page_tokens]) + at % page_tokens * row_bytes;
}

// 16 rows from position `at` on; those from `end` on repeat the last one before it.
inline void page_rows(const void* const* pages, int page_tokens, int at, int end, int64_t row_bytes,
                      const uint8_t* (&rows)[16]) {
  int slot = at % page_tokens;
  const void* const* page = pages + at / page_tokens;
  const uint8_t* row = static_cast<const uint8_t*>(*page) + slot * row_bytes;
  for (int i = 0; i < 16; ++i) {
    rows[i] = row;
    if (at + i + 1 >= end) continue;
    row += row_bytes;
    if (++slot == page_tokens) slot = 0, row = static_cast<const uint8_t*>(*++page);
  }
}

// to(rows, `lanes` numbers, filled up to 32) = or += `rows` of from(rows, columns) times
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
  constexpr int kVectors = kGemmVectors;
  for (int lane = 0; lane < p.lanes; lane += 16 * kVectors) {
    float* to = p.to + row * p.to_stride + lane;
    F32x16 acc[kVectors][kRows];
    for (int r = 0; r < kRows; ++r)
      for (int v = 0; v < kVectors; ++v)
        acc[v][r] = kAdd ? load(to + r * p.to_stride + 16 * v) : zero_f32();
    outer_products<Format, kVectors, kRows>(p.panel + lane * Format::kBytes, p.panel_row_bytes,
                                            rows, p.columns, acc);
    for (int r = 0; r < kRows; ++r)
      for (int v = 0; v < kVectors; ++v) store(to + r * p.to_stride + 16 * v, acc[v][r]);
  }
}
template <class Format, bool kAdd>
void multiply_rows(const RowProducts& p) {
  int r = 0;
  for (; r + kQueryTile <= p.rows; r += kQueryTile) multiply_some<Format, kAdd, kQueryTile>(p, r);
  for (; r + 4 <= p.rows; r += 4) multiply_some<Format, kAdd, 4>(p, r);
  for (; r < p.rows; ++r) multiply_some<Format, kAdd, 1>(p, r);
}

inline int clamp(int x, int low, int high) { return x < low ? low : x > high ? high : x; }

// Keys of [begin, end) as columns; what lies beyond `end` becomes zero.
template <class Format>
void gather_float_keys(const AttentionTask& task, int begin, int end, const AttentionScratch& s) {
  const int width = task.key_width;
  for (int first = 0; first < kPositions; first += 16) {
    const uint8_t* rows[16];
    const int used = clamp(end - begin - first, 0, 16);
    if (used > 0)
      page_rows(task.key_pages, task.page_tokens, begin + first, end,
                cache_row_bytes<Format>(width), rows);
    for (int c = 0; c < width; c += 16) {
      s.next->ask();
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

// Query rows that a tile is multiplied with: the first one in the task, and in the scratch.
struct QueryRows {
  int of_task, of_scratch, count;
};

// Scores of rows from keys that are gathered.
inline void score_gathered(const AttentionTask& task, const QueryRows& rows,
                           const AttentionScratch& s) {
  multiply_rows<F32, false>({task.queries + rows.of_task * task.query_stride, task.query_stride,
                             rows.count, bytes_of(s.keys), kPositions * 4, task.key_width,
                             kPositions, s.scores + rows.of_scratch * kPositions, kPositions});
}
#ifdef ISSUN_WORD_DOT
// Scores of 16 / kRows keys of whole vectors and kRows queries: products are added up lane by lane,
// and then the lanes.
template <class Format, int kRows>
inline void score_in_place(const uint8_t* const* keys, const float* const (&queries)[kRows],
                           int width, float* scores) {
  constexpr int kKeys = 16 / kRows;
  F32x16 d[16];
  for (int i = 0; i < 16; ++i) d[i] = zero_f32();
  for (int c = 0; c < width; c += 16) {
    F32x16 q[kRows];
    for (int r = 0; r < kRows; ++r) q[r] = load(queries[r] + c);
    for (int k = 0; k < kKeys; ++k) {
      const F32x16 x = Format::load16(keys[k] + c * Format::kBytes);
      for (int r = 0; r < kRows; ++r) d[r * kKeys + k] = fma(x, q[r], d[r * kKeys + k]);
    }
  }
  alignas(64) float all[16];
  store(all, sums(d));
  for (int r = 0; r < kRows; ++r)
    __builtin_memcpy(scores + r * kPositions, all + r * kKeys, kKeys * sizeof(float));
}

template <class Format, int kRows>
__attribute__((noinline)) void score_rows_in_place(const AttentionTask& task, int begin, int end,
                                                   const QueryRows& rows, int row,
                                                   const AttentionScratch& s) {
  const float* queries[kRows];
  for (int r = 0; r < kRows; ++r)
    queries[r] = task.queries + (rows.of_task + row + r) * task.query_stride;
  float* scores = s.scores + (rows.of_scratch + row) * kPositions;
  for (int first = 0; begin + first < end; first += 16) {
    const uint8_t* keys[16];
    page_rows(task.key_pages, task.page_tokens, begin + first, end,
              cache_row_bytes<Format>(task.key_width), keys);
    s.next->ask();
    for (int i = 0; i < 16; i += 16 / kRows)
      score_in_place<Format, kRows>(keys + i, queries, task.key_width, scores + first + i);
  }
}
#endif

template <class Format>
void score_float_keys(const AttentionTask& task, int begin, int end, const QueryRows& rows,
                      const AttentionScratch& s) {
#ifdef ISSUN_WORD_DOT
  if (task.key_width % 16 == 0) {
    // Few rows meet keys as they lie. Many attend in words, but for caches of F32 and exact ones.
    int r = 0;
    for (; r + 4 <= rows.count; r += 4)
      score_rows_in_place<Format, 4>(task, begin, end, rows, r, s);
    for (; r < rows.count; ++r) score_rows_in_place<Format, 1>(task, begin, end, rows, r, s);
    return;
  }
#endif
  gather_float_keys<Format>(task, begin, end, s);
  score_gathered(task, rows, s);
}

// Values of [begin, end) as floats.
template <class Format>
void decode_float_values(const AttentionTask& task, int begin, int end, const AttentionScratch& s) {
  const int64_t row_bytes = cache_row_bytes<Format>(task.value_width);
  for (int i = 0; begin + i < end; ++i)
    decode_some<Format>(page_row(task.value_pages, task.page_tokens, begin + i, row_bytes),
                        task.value_width, s.values + i * padded(task.value_width));
}

template <class Format>
void add_float_values(const AttentionTask& task, int begin, int end, const float* weights, int rows,
                      float* sums, const AttentionScratch& s) {
  const int stride = padded(task.value_width);
  RowProducts products{
      weights,          kPositions, rows,  bytes_of(s.values), stride * int64_t{4}, end - begin,
      task.value_width, sums,       stride};
  // Few rows meet values where they lie, if they lie in one page; many meet them converted once.
  if (rows <= kQueryTile && task.page_tokens % kPositions == 0 && task.value_width == stride) {
    const int64_t row_bytes = cache_row_bytes<Format>(task.value_width);
    products.panel = page_row(task.value_pages, task.page_tokens, begin, row_bytes);
    products.panel_row_bytes = row_bytes;
    multiply_rows<Format, true>(products);
    return;
  }
  decode_float_values<Format>(task, begin, end, s);
  multiply_rows<F32, true>(products);
}

// The last block of a row, and zeros for a second one.
template <class Format>
inline const uint8_t* last_block(const uint8_t* block, uint8_t (&room)[2 * Format::kBytes]) {
  __builtin_memset(room, 0, sizeof room);
  __builtin_memcpy(room, block, Format::kBytes);
  return room;
}

// The weights of two blocks of a row, without their zero; of the last block of a row alone, and
// then zeros, where it has no second one.
template <class Format>
inline I8x64 block_pair(const uint8_t* blocks, bool both) {
  uint8_t last[2 * Format::kBytes];
  if (!both) blocks = last_block<Format>(blocks, last);
  if constexpr (Format::kSigned)
    return Format::template weights<0>(blocks);
  else
    return as_signed(plus<-Format::kZero>(Format::template weights<0>(blocks)));
}

// As gather_float_keys; what lies beyond `end` is of no meaning. Sixteen rows change places as
// bytes and only then become floats: a quarter of the moves.
template <class Format>
void gather_block_keys(const AttentionTask& task, int begin, int end, const AttentionScratch& s) {
  const int blocks = padded(task.key_width) / 32;
  const int64_t row_bytes = cache_row_bytes<Format>(task.key_width);
  for (int first = 0; begin + first < end; first += 16) {
    const uint8_t* rows[16];
    page_rows(task.key_pages, task.page_tokens, begin + first, end, row_bytes, rows);
    s.next->ask();
    for (int b = 0; b < blocks; b += 2) {
      const int offset = b * Format::kBytes;
      U8x64 m[16];
      for (int i = 0; i < 16; ++i)
        m[i] = as_unsigned(block_pair<Format>(rows[i] + offset, b + 1 < blocks));
      transpose(m);
      for (int half = 0; half < 2 && b + half < blocks; ++half) {
        const int block = offset + half * Format::kBytes;
        const F32x16 scale = halves_of_rows(rows, block + Format::kScaleAt);
        F32x16 added = zero_f32();
        if constexpr (Format::kMins == Mins::kFloats)
          added = halves_of_rows(rows, block + Format::kMinAt);
        float* to = s.keys + (b + half) * 32 * kPositions + first;
        for (int w = 8 * half; w < 8 * half + 8; ++w) {
          const I32x16 words = as_words(m[w]);
          for (int j = 0; j < 4; ++j, to += kPositions) {
            F32x16 key = mul(to_f32(shift_right(shift_left(words, 24 - 8 * j), 24)), scale);
            if constexpr (Format::kMins == Mins::kFloats) key = add(key, added);
            store(to, key);
          }
        }
      }
    }
  }
}

template <class Format>
void score_block_keys(const AttentionTask& task, int begin, int end, const QueryRows& rows,
                      const AttentionScratch& s) {
  gather_block_keys<Format>(task, begin, end, s);
  score_gathered(task, rows, s);
}

template <class Format>
inline void decode_cache_row(const uint8_t* row, int blocks, float* out) {
  for (int b = 0; b < blocks; b += 2, row += 2 * Format::kBytes) {
    alignas(64) int8_t q[64];
    store(q, block_pair<Format>(row, b + 1 < blocks));
    for (int half = 0; half < 2 && b + half < blocks; ++half) {
      const uint8_t* block = row + half * Format::kBytes;
      const F32x16 scale = splat(half_to_float(load_u16(block + Format::kScaleAt)));
      for (int i = 32 * half; i < 32 * half + 32; i += 16) {
        F32x16 x = mul(bytes_to_f32(q + i), scale);
        if constexpr (Format::kMins == Mins::kFloats)
          x = add(x, splat(half_to_float(load_u16(block + Format::kMinAt))));
        store(out + 32 * b + i, x);
      }
    }
  }
}

template <class Format>
void decode_block_values(const AttentionTask& task, int begin, int end, const AttentionScratch& s) {
  const int stride = padded(task.value_width);
  const int64_t row_bytes = cache_row_bytes<Format>(task.value_width);
  for (int i = 0; begin + i < end; ++i)
    decode_cache_row<Format>(page_row(task.value_pages, task.page_tokens, begin + i, row_bytes),
                             stride / 32, s.values + i * stride);
}

template <class Format>
void add_block_values(const AttentionTask& task, int begin, int end, const float* weights, int rows,
                      float* sums, const AttentionScratch& s) {
  const int stride = padded(task.value_width);
  decode_block_values<Format>(task, begin, end, s);
  multiply_rows<F32, true>({weights, kPositions, rows, bytes_of(s.values), stride * int64_t{4},
                            end - begin, task.value_width, sums, stride});
}

}  // namespace
}  // namespace issun::kernels
