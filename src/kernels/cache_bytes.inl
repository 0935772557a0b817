// The rows of a quantised cache as attention reads them without floats: their weights stay bytes,
// and what these meet (queries; exponentials times the scales of values) becomes integers of up to
// 127 * 128, as 128 * high + low. Sums are exact, so no more is lost than that rounding: at most
// 2^-15 of the largest number of a query, or of a row's weights for 32 columns of a tile.
#pragma once

#include "kernels/cache_rows.inl"
#include "kernels/rows.inl"

namespace issun::kernels {
namespace {

// Vectors of lanes and rows whose sums, two each, fit into registers (kByteRows: cache_rows.inl).
constexpr int kByteVectors = kTileVectors;
constexpr int kMostSplit = 127 * 128;

// body<n>(first) for rows in blocks of kByteRows, and of fewer for what remains.
template <class Body>
inline void in_blocks(int rows, Body&& body) {
  int r = 0;
  for (; r + kByteRows <= rows; r += kByteRows) body.template operator()<kByteRows>(r);
  if constexpr (kByteRows > 2)
    for (; r + 2 <= rows; r += 2) body.template operator()<2>(r);
  for (; r < rows; ++r) body.template operator()<1>(r);
}

// What a panel holds for zero.
template <class Format>
constexpr int kByteZero = !kWideDot         ? 0
                          : Format::kSigned ? 128
                                            : Format::kZero;

// The weights of two blocks of a row as a panel holds them; `both` as block_pair has it.
template <class Format>
inline U8x64 byte_pair(const uint8_t* blocks, bool both) {
  if constexpr (kWideDot && !Format::kSigned) {
    uint8_t last[2 * Format::kBytes];
    if (!both) blocks = last_block<Format>(blocks, last);
    return Format::template weights<0>(blocks);
  } else {
    const U8x64 pair = as_unsigned(block_pair<Format>(blocks, both));
    return kWideDot ? plus<-128>(pair) : pair;
  }
}

// The 32 weights at `at` of 16 rows as a panel holds them, word by word.
template <class Format>
inline void columns_of_block(const uint8_t* const (&rows)[16], int at, U8x64 (&m)[8]) {
  U8x64 part[4];
  columns4(rows, at, part);
  if constexpr (Format::kBytes > 32) {
    for (int w = 0; w < 4; ++w) m[w] = part[w];
    columns4(rows, at + 16, part);
    for (int w = 0; w < 4; ++w) m[4 + w] = part[w];
  } else {
    for (int w = 0; w < 4; ++w) m[w] = low_nibbles(part[w]), m[4 + w] = high_nibbles(part[w]);
  }
  for (int w = 0; w < 8; ++w) {
    if constexpr (requires { Format::codes(m[w]); }) m[w] = as_unsigned(Format::codes(m[w]));
    if constexpr (!kWideDot)
      m[w] = plus<-Format::kZero>(m[w]);
    else if constexpr (Format::kSigned)
      m[w] = plus<-128>(m[w]);
  }
}

// A tile of keys or values: words of four weights, and the scales of each 32 by position.
constexpr int kKeyBytes = 4 * kPositions, kValueBytes = 4 * 32;  // from word to word
struct BytePanel {
  uint8_t* words;  // keys: (padded key_width / 4, kPositions); values: (groups, kPositions / 4, 32)
  float* scales;   // (groups, kPositions)
  float* mins;     // likewise; with Mins::kFloats
  float* doubts;   // (groups) of values: NaN where a scale is no finite number, else 0
};
inline BytePanel panel_in(float* room, int width) {
  const int columns = padded(width);
  float* scales = room + columns * kPositions / 4;
  float* mins = scales + columns / 32 * kPositions;
  return {reinterpret_cast<uint8_t*>(room), scales, mins, mins + columns / 32 * kPositions};
}

// NaN if one of the numbers that were added up here as x * 0 is infinite or NaN, else 0.
inline float doubt_of(F32x16 zeros) { return sum(zeros); }

// What makes integers of numbers up to `top`; 0 where that is next to nothing, or NaN.
inline F32x16 per_scale(float top) { return splat(top > 1e-30f ? kMostSplit / top : 0); }

// 16 numbers as integers, which it gives, and as halves: -127..127 and -64..63.
inline I32x16 split(F32x16 x, F32x16 factor, int8_t* high, int8_t* low) {
  const I32x16 n = round_to_i32(mul(x, factor));
  const I32x16 top = shift_right(add(n, splat(64)), 7);
  store_bytes(high, top);
  store_bytes(low, sub(n, shift_left(top, 7)));
  return n;
}

// d[v][r] = the sums of kQuads words of lanes [16 v, 16 v + 16) of a panel times those of row r, of
// which the high halves come first, then the low ones. start: what a sum begins with. kSignedRows:
// whether rows are dot4's signed factor, or the panel is and rows are 0..127.
template <bool kSignedRows, int kQuads, int kWordBytes, int kRows>
__attribute__((always_inline)) inline void multiply_bytes(const uint8_t* words,
                                                          const int8_t* const (&rows)[kRows],
                                                          const int32_t (&start)[kRows],
                                                          F32x16 (&d)[kByteVectors][kRows]) {
  I32x16 high[kByteVectors][kRows], low[kByteVectors][kRows];
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kByteVectors; ++v) high[v][r] = zero_i32(), low[v][r] = splat(start[r]);
  unrolled<kQuads>([&]<int q>() __attribute__((always_inline)) {
    U8x64 w[kByteVectors];
    for (int v = 0; v < kByteVectors; ++v) w[v] = load(words + q * kWordBytes + 64 * v);
    for (int r = 0; r < kRows; ++r) {
      const I8x64 h = splat4(rows[r] + 4 * q), l = splat4(rows[r] + 4 * (kQuads + q));
      for (int v = 0; v < kByteVectors; ++v) {
        if constexpr (kSignedRows && kWideDot) {
          high[v][r] = dot4(high[v][r], w[v], h);
          low[v][r] = dot4(low[v][r], w[v], l);
        } else if constexpr (kSignedRows) {
          high[v][r] = dot4(high[v][r], as_signed(w[v]), h);
          low[v][r] = dot4(low[v][r], as_signed(w[v]), l);
        } else {
          high[v][r] = dot4(high[v][r], as_unsigned(h), as_signed(w[v]));
          low[v][r] = dot4(low[v][r], as_unsigned(l), as_signed(w[v]));
        }
      }
    }
  });
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kByteVectors; ++v)
      d[v][r] = to_f32(add(shift_left(high[v][r], 7), low[v][r]));
}

// Queries of a task into the scratch.
inline void split_queries(const AttentionTask& task, int row, int count,
                          const AttentionScratch& s) {
  const int width = task.key_width, groups = padded(width) / 32;
  for (int r = 0; r < count; ++r) {
    const float* query = task.queries + (row + r) * task.query_stride;
    F32x16 most = zero_f32(), zeros = zero_f32();
    for_vectors(width, [&](int64_t i, int n) {
      const F32x16 x = load_some(query + i, n);
      most = max(most, abs(x));
      zeros = fma(x, zero_f32(), zeros);
    });
    const float top = largest(most) + doubt_of(zeros);
    const F32x16 factor = per_scale(top);
    s.queries.scale[r] = top / kMostSplit;
    for (int g = 0; g < groups; ++g) {
      int8_t* high = s.queries.halves + (r * groups + g) * 64;
      I32x16 total = zero_i32();
      for (int c = 32 * g; c < 32 * g + 32; c += 16, high += 16) {
        const F32x16 x = c >= width        ? zero_f32()
                         : c + 16 <= width ? load(query + c)
                                           : load_first(query + c, width - c);
        total = add(total, split(top == top ? x : zero_f32(), factor, high, high + 32));
      }
      s.queries.sums[r * groups + g] = sum(total);
    }
  }
}

// Scales and mins of the positions [first, first + 16) of a tile; zeros from `used` on.
template <class Format>
inline void store_scales(const uint8_t* const (&rows)[16], int used, int blocks, int first,
                         const BytePanel& panel) {
  const auto put = [&](int at, float* to) {
    for (int b = 0; b < blocks; ++b, at += Format::kBytes, to += kPositions) {
      const F32x16 there = used > 0 ? halves_of_rows(rows, at) : zero_f32();
      store(to, used < 16 ? choose_range(0, used, there, zero_f32()) : there);
    }
  };
  put(Format::kScaleAt, panel.scales + first);
  if constexpr (Format::kMins == Mins::kFloats) put(Format::kMinAt, panel.mins + first);
}

// Two blocks of 16 keys, or one, whose first word belongs to `to`. Bytes and nibbles become columns
// as they lie in the rows, which is half of the moves.
template <class Format>
inline void pack_key_pair(const uint8_t* const (&rows)[16], int offset, bool both, uint8_t* to) {
  if constexpr (Format::kCodesAt != 0) {
    for (int half = 0; half < (both ? 2 : 1); ++half, offset += Format::kBytes) {
      U8x64 m[8];
      columns_of_block<Format>(rows, offset + Format::kCodesAt, m);
      for (int w = 0; w < 8; ++w, to += kKeyBytes) store(to, m[w]);
    }
    return;
  }
  U8x64 m[16];
  for (int i = 0; i < 16; ++i) m[i] = byte_pair<Format>(rows[i] + offset, both);
  transpose(m);
  for (int w = 0; w < 8; ++w) store(to + w * kKeyBytes, m[w]);
  if (!both) return;
  for (int w = 8; w < 16; ++w) store(to + w * kKeyBytes, m[w]);
}

// Keys of [begin, end) into a panel; what lies beyond `end` is of no meaning.
template <class Format>
void pack_byte_keys(const AttentionTask& task, int begin, int end, const BytePanel& panel,
                    NextTile& next) {
  const int blocks = padded(task.key_width) / 32;
  const int64_t row_bytes = cache_row_bytes<Format>(task.key_width);
  for (int first = 0; begin + first < end; first += 16) {
    const uint8_t* rows[16];
    page_rows(task.key_pages, task.page_tokens, begin + first, end, row_bytes, rows);
    next.ask();
    uint8_t* to = panel.words + 4 * first;
    for (int b = 0; b < blocks; b += 2, to += 16 * kKeyBytes)
      pack_key_pair<Format>(rows, b * Format::kBytes, b + 1 < blocks, to);
    store_scales<Format>(rows, 16, blocks, first, panel);
  }
}

template <class Format, int kRows>
void score_bytes(const AttentionTask& task, const BytePanel& panel, int row,
                 const AttentionScratch& s) {
  const int groups = padded(task.key_width) / 32;
  for (int lane = 0; lane < kPositions; lane += 16 * kByteVectors) {
    s.next->ask();
    F32x16 scores[kByteVectors][kRows];
    for (int r = 0; r < kRows; ++r)
      for (int v = 0; v < kByteVectors; ++v) scores[v][r] = zero_f32();
    for (int g = 0; g < groups; ++g) {
      const int8_t* rows[kRows];
      int32_t sums[kRows], start[kRows];
      for (int r = 0; r < kRows; ++r) {
        rows[r] = s.queries.halves + ((row + r) * groups + g) * 64;
        sums[r] = s.queries.sums[(row + r) * groups + g];
        start[r] = -kByteZero<Format> * sums[r];
      }
      F32x16 d[kByteVectors][kRows];
      multiply_bytes<true, 8, kKeyBytes>(panel.words + 8 * g * kKeyBytes + 4 * lane, rows, start,
                                         d);
      for (int v = 0; v < kByteVectors; ++v) {
        const int at = g * kPositions + lane + 16 * v;
        for (int r = 0; r < kRows; ++r) {
          scores[v][r] = fma(d[v][r], load(panel.scales + at), scores[v][r]);
          if constexpr (Format::kMins == Mins::kFloats)
            scores[v][r] =
                fma(splat(static_cast<float>(sums[r])), load(panel.mins + at), scores[v][r]);
        }
      }
    }
    for (int r = 0; r < kRows; ++r)
      for (int v = 0; v < kByteVectors; ++v)
        store(s.scores + (row + r) * kPositions + lane + 16 * v,
              mul(scores[v][r], splat(s.queries.scale[row + r])));
  }
}

template <class Format>
void score_byte_keys(const AttentionTask& task, int begin, int end, const QueryRows& rows,
                     const AttentionScratch& s) {
  const BytePanel panel = panel_in(s.keys, task.key_width);
  pack_byte_keys<Format>(task, begin, end, panel, *s.next);
  in_blocks(rows.count, [&]<int kRows>(int r) {
    score_bytes<Format, kRows>(task, panel, rows.of_scratch + r, s);
  });
}

// The weights of two blocks of a row, those whose scale is negative with the other sign.
template <class Format>
inline U8x64 value_pair(const uint8_t* blocks, bool both) {
  const I8x64 pair = block_pair<Format>(blocks, both);
  if constexpr (!Format::kSignedScale) return as_unsigned(pair);
  const auto flipped = [&](int block) {
    return uint64_t{load_u16(blocks + block * Format::kBytes + Format::kScaleAt)} >> 15;
  };
  const uint64_t first = flipped(0), second = both ? flipped(1) : 0;
  return as_unsigned(negate_where((first * 0xffffffffu) | (second * 0xffffffffu) << 32, pair));
}

// Values of [begin, end) into a panel; positions that fill up the last word repeat the last one.
// Scales and mins beyond `end` are zeros.
template <class Format>
void pack_byte_values(const AttentionTask& task, int begin, int end, const BytePanel& panel,
                      NextTile& next) {
  const int blocks = padded(task.value_width) / 32;
  const int64_t row_bytes = cache_row_bytes<Format>(task.value_width);
  for (int first = 0; first < kPositions; first += 16) {
    const int used = clamp(end - begin - first, 0, 16);
    const uint8_t* rows[16];
    if (used > 0)
      page_rows(task.value_pages, task.page_tokens, begin + first, end, row_bytes, rows);
    store_scales<Format>(rows, used, blocks, first, panel);
    next.ask();
    for (int i = 0; i < used; i += 4)
      for (int b = 0; b < blocks; b += 2) {
        decltype(value_pair<Format>(rows[0], true)) four[4];
        for (int j = 0; j < 4; ++j)
          four[j] = value_pair<Format>(rows[i + j] + b * Format::kBytes, b + 1 < blocks);
        interleave4(four);
        uint8_t* to = panel.words + (b * kPositions + first + i) / 4 * kValueBytes;
        for (int v = 0; v < 2; ++v) store(to + 64 * v, four[v]);
        if (b + 1 == blocks) continue;
        to += kPositions / 4 * kValueBytes;
        for (int v = 0; v < 2; ++v) store(to + 64 * v, four[2 + v]);
      }
  }
  for (int b = 0; b < blocks; ++b) {
    F32x16 zeros = zero_f32();
    for (int i = 0; i < kPositions; i += 16) {
      float* to = panel.scales + b * kPositions + i;
      const F32x16 scale = load(to);
      zeros = fma(scale, zero_f32(), zeros);
      if constexpr (Format::kSignedScale) store(to, abs(scale));
    }
    panel.doubts[b] = doubt_of(zeros);
  }
}

// The largest product of a row's exponentials and the scales of 32 columns.
inline float largest_weight(const float* weights, const float* scales) {
  F32x16 most = zero_f32();
  for (int i = 0; i < kPositions; i += 16)
    most = max(most, mul(load(weights + i), load(scales + i)));
  return largest(most);
}

// These products, none of which is negative, as halves of 0..127.
inline void split_weights(const float* weights, const float* scales, float top, int8_t* high) {
  if (top != top) {
    __builtin_memset(high, 0, 2 * kPositions);
    return;
  }
  const F32x16 factor = per_scale(top);
  I32x16 h[kPositions / 16], l[kPositions / 16];
  for (int v = 0; v < kPositions / 16; ++v) {
    const F32x16 x = mul(load(weights + 16 * v), load(scales + 16 * v));
    const I32x16 n = round_to_i32(mul(x, factor));
    h[v] = shift_right(n, 7);
    l[v] = sub(n, shift_left(h[v], 7));
  }
  store_bytes(high, h);
  store_bytes(high + kPositions, l);
}

// What mins add up to.
inline float weigh_mins(const float* weights, const float* mins) {
  F32x16 total = zero_f32();
  for (int i = 0; i < kPositions; i += 16) total = fma(load(weights + i), load(mins + i), total);
  return sum(total);
}

template <int kRows>
constexpr int32_t kNoStart[kRows] = {};

template <class Format, int kRows>
void add_bytes(const AttentionTask& task, const BytePanel& panel, const float* weights, float* sums,
               const AttentionScratch& s) {
  const int columns = padded(task.value_width);
  for (int g = 0; 32 * g < columns; ++g) {
    const float* scales = panel.scales + g * kPositions;
    const int8_t* rows[kRows];
    float top[kRows], mins[kRows];
    s.next->ask();
    for (int r = 0; r < kRows; ++r)
      top[r] = largest_weight(weights + r * kPositions, scales) + panel.doubts[g];
    for (int r = 0; r < kRows; ++r) {
      int8_t* halves = s.halves + 2 * kPositions * r;
      split_weights(weights + r * kPositions, scales, top[r], halves);
      rows[r] = halves;
      if constexpr (Format::kMins == Mins::kFloats)
        mins[r] = weigh_mins(weights + r * kPositions, panel.mins + g * kPositions);
    }
    for (int c = 32 * g; c < 32 * g + 32; c += 16 * kByteVectors) {
      F32x16 d[kByteVectors][kRows];
      multiply_bytes<false, kPositions / 4, kValueBytes>(
          panel.words + g * kPositions / 4 * kValueBytes + (c - 32 * g) * 4, rows, kNoStart<kRows>,
          d);
      for (int r = 0; r < kRows; ++r)
        for (int v = 0; v < kByteVectors; ++v) {
          float* to = sums + r * columns + c + 16 * v;
          F32x16 total = fma(d[v][r], splat(top[r] / kMostSplit), load(to));
          if constexpr (Format::kMins == Mins::kFloats) total = add(total, splat(mins[r]));
          store(to, total);
        }
    }
  }
}

template <class Format>
void add_byte_values(const AttentionTask& task, int begin, int end, const float* weights, int rows,
                     float* sums, const AttentionScratch& s) {
  const BytePanel panel = panel_in(s.values, task.value_width);
  pack_byte_values<Format>(task, begin, end, panel, *s.next);
  const int columns = padded(task.value_width);
  in_blocks(rows, [&]<int kRows>(int r) {
    add_bytes<Format, kRows>(task, panel, weights + r * kPositions, sums + r * columns, s);
  });
}

}  // namespace
}  // namespace issun::kernels
