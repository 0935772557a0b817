// Attention of many query rows in words of 16 bits: queries, keys, exponentials and values become
// integers, pairs of whose products are added exactly in 32 bits. What is lost is the rounding to
// those integers: half of 2^-15.5 of the length of a query and of a key, half of 2^-13 of the
// largest number of a value, and half of 2^-15 of the length of a row's weights in a tile (which
// are its exponentials times the scales of the values).
#pragma once

#include "kernels/attention.inl"

#ifdef ISSUN_WORD_DOT

namespace issun::kernels {
namespace {

constexpr int kWordRows = 384;  // of queries that share one conversion of keys and values
constexpr int kWordBlock = 32;  // rows at a time, so that their scores stay in the first cache
constexpr int kWordVectors = kTileVectors == 2 ? 4 : 2;  // of lanes, and rows, whose sums fit into
constexpr int kWordTile = kTileVectors == 2 ? 4 : 2;     // registers

// Sums stay below 2^31 with some room for rounding: those of queries and keys are at most the
// product of their lengths; those of weights and values, of which there are 64 and whose squares
// add up to kMostWeight^2, at most 8 * kMostWeight * kMostValue.
constexpr float kMostWord = 32767, kMostLength = 46000;
constexpr float kMostWeight = 32750, kMostValue = 8190;
static_assert(kPositions == 64);

// Words are pairs of numbers that lie 16 apart in each 32, those of rows as those of panels.
struct WordScratch {
  AttentionScratch floats;
  int16_t* keys;        // (padded key_width / 2, kPositions, 2)
  float* key_scales;    // (kPositions)
  int16_t* values;      // (kPositions / 2, padded value_width, 2)
  float* value_scales;  // (kPositions)
  float* value_doubts;  // (padded value_width): NaN where a value is no number up to 1e18, else 0
  bool* doubtful;       // whether one of them is NaN
  int16_t* queries;     // (kWordRows, padded key_width)
  float* query_scales;  // (kWordRows)
  int16_t* weights;     // (kWordBlock, kPositions)
};

int64_t attention_in_words_scratch_bytes(int key_width, int value_width) {
  const int64_t key = padded(key_width), value = padded(value_width);
  const int64_t floats = (key + value) * kPositions + kWordBlock * kPositions +
                         kWordRows * (value + 3) + 2 * kPositions + value;
  const int64_t words = (key + value + kWordBlock) * kPositions + kWordRows * key;
  return 4 * floats + 2 * words;
}

inline WordScratch cut_for_words(const AttentionTask& task, void* memory) {
  const int64_t key = padded(task.key_width), value = padded(task.value_width);
  auto* p = static_cast<float*>(memory);
  WordScratch s{};
  s.floats.keys = p, p += key * kPositions;
  s.floats.values = p, p += value * kPositions;
  s.floats.scores = p, p += kWordBlock * kPositions;
  s.floats.sums = p, p += kWordRows * value;
  s.floats.top = p, p += kWordRows;
  s.floats.total = p, p += kWordRows;
  s.query_scales = p, p += kWordRows;
  s.key_scales = p, p += kPositions;
  s.value_scales = p, p += kPositions;
  s.value_doubts = p, p += value;
  auto* words = reinterpret_cast<int16_t*>(p);
  s.keys = words, words += key * kPositions;
  s.values = words, words += value * kPositions;
  s.weights = words, words += kWordBlock * kPositions;
  s.queries = words;
  return s;
}

// By what numbers up to `most` become integers, and what those are multiples of. squares: the sum
// of the squares of numbers / most. zeros: that of numbers * 0, NaN if one of them is not finite.
struct WordScale {
  F32x16 factor, scale;
};
inline F32x16 one_over(F32x16 most) {
  return zero_where_below(most, splat(1e-30f), div(splat(1.0f), most));
}
inline WordScale word_scale(F32x16 most, F32x16 squares, F32x16 zeros) {
  const F32x16 units = min(splat(kMostWord), div(splat(kMostLength), sqrt(squares)));
  return {mul(units, one_over(most)), add(div(most, units), zeros)};
}

// Columns of keys into words.
inline void pack_key_words(const WordScratch& s, int width) {
  const int rows = (width + 15) & -16, all = padded(width);  // beyond `rows` are zeros
  for (int lane = 0; lane < kPositions; lane += 16) {
    const auto key = [&](int r) { return load(s.floats.keys + r * kPositions + lane); };
    F32x16 most = zero_f32(), zeros = zero_f32(), squares = zero_f32();
    for (int r = 0; r < rows; ++r) {
      most = max(most, abs(key(r)));
      zeros = fma(key(r), zero_f32(), zeros);
    }
    const F32x16 per = one_over(most);
    for (int r = 0; r < rows; ++r) {
      const F32x16 x = mul(key(r), per);
      squares = fma(x, x, squares);
    }
    const WordScale by = word_scale(most, squares, zeros);
    store(s.key_scales + lane, by.scale);
    const auto word = [&](int r) {
      return r < rows ? round_to_i32(mul(key(r), by.factor)) : zero_i32();
    };
    int16_t* to = s.keys + 2 * lane;
    for (int block = 0; block < all; block += 32)
      for (int r = block; r < block + 16; ++r, to += 2 * kPositions)
        store(to, alternate_words(word(r), word(r + 16)));
  }
}

inline void load_rows(const float (*rows)[16], F32x16 (&m)[16]) {
  for (int i = 0; i < 16; ++i) m[i] = load(rows[i]);
}
// The largest number of each of 16 rows, and the sum of each.
inline F32x16 largest_of_rows(const float (*rows)[16]) {
  F32x16 m[16];
  load_rows(rows, m);
  transpose(m);
  for (int n = 8; n > 0; n /= 2)
    for (int i = 0; i < n; ++i) m[i] = max(m[i], m[i + n]);
  return m[0];
}
inline F32x16 sums_of_rows(const float (*rows)[16]) {
  F32x16 m[16];
  load_rows(rows, m);
  return sums(m);
}

// Rows of values into words; those from `used` on are zeros.
inline void pack_value_words(const WordScratch& s, int width, int used) {
  constexpr float kMost = 1e18f;  // whose squares can be added up
  const int all = padded(width);
  const auto value = [&](int i, int c) {
    const float* at = s.floats.values + i * all + c;
    if (i >= used || c >= width) return zero_f32();
    return c + 16 <= width ? load(at) : load_first(at, width - c);
  };
  alignas(64) float parts[16][16], factors[kPositions];
  for (int i = 0; i < kPositions; i += 16) {
    for (int j = i; j < i + 16; ++j) {
      F32x16 most = zero_f32();
      for (int c = 0; c < all; c += 16) most = max(most, abs(value(j, c)));
      store(parts[j - i], most);
    }
    const F32x16 most = min(largest_of_rows(parts), splat(kMost));
    store(factors + i, mul(splat(kMostValue), one_over(most)));
    store(s.value_scales + i, mul(most, splat(1 / kMostValue)));
  }
  *s.doubtful = false;
  for (int c = 0; c < all; c += 16) {
    F32x16 zeros = zero_f32();
    const auto word = [&](int i) {
      const F32x16 x = value(i, c);
      zeros = fma(mul(x, splat(3.4e38f / kMost)), zero_f32(), zeros);
      const F32x16 in_range =
          max(splat(-kMostValue), min(mul(x, splat(factors[i])), splat(kMostValue)));
      return round_to_i32(in_range);
    };
    int16_t* to = s.values + 2 * c;
    for (int block = 0; block < kPositions; block += 32)
      for (int i = block; i < block + 16; ++i, to += 2 * all)
        store(to, alternate_words(word(i), word(i + 16)));
    store(s.value_doubts + c, zeros);
    *s.doubtful = *s.doubtful || sum(zeros) != 0;
  }
}

// Queries of a task into words.
inline void pack_queries(const AttentionTask& task, int row, int count, const WordScratch& s) {
  const int width = task.key_width, all = padded(width);
  for (int r = 0; r < count; ++r) {
    const float* query = task.queries + (row + r) * task.query_stride;
    F32x16 most = zero_f32(), zeros = zero_f32(), squares = zero_f32();
    for_vectors(width, [&](int64_t i, int n) {
      const F32x16 x = load_some(query + i, n);
      most = max(most, abs(x));
      zeros = fma(x, zero_f32(), zeros);
    });
    most = splat(largest(most));
    const F32x16 per = one_over(most);
    for_vectors(width, [&](int64_t i, int n) {
      const F32x16 x = mul(load_some(query + i, n), per);
      squares = fma(x, x, squares);
    });
    const WordScale by = word_scale(most, splat(sum(squares)), splat(sum(zeros)));
    // Not 0: what a row does not see is minus infinity.
    store_first(s.query_scales + r, max(splat(1e-30f), mul(by.scale, splat(task.scale))), 1);
    const auto word = [&](int c) {
      const F32x16 x = c >= width        ? zero_f32()
                       : c + 16 <= width ? load(query + c)
                                         : load_first(query + c, width - c);
      return round_to_i32(mul(x, by.factor));
    };
    for (int c = 0; c < all; c += 32)
      store(s.queries + r * all + c, alternate_words(word(c), word(c + 16)));
  }
}

// d[v][r] = the sums of `pairs` words of lanes [16 v, 16 v + 16) of a panel times those of row r.
template <int kVectors, int kRows>
__attribute__((always_inline)) inline void multiply_words(const int16_t* panel, int stride,
                                                          const int16_t* rows, int row_stride,
                                                          int pairs, I32x16 (&d)[kVectors][kRows]) {
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) d[v][r] = zero_i32();
  for (int p = 0; p < pairs; ++p, panel += stride, rows += 2) {
    I16x32 w[kVectors];
    for (int v = 0; v < kVectors; ++v) w[v] = load(panel + 32 * v);
    for (int r = 0; r < kRows; ++r) {
      const I16x32 x = splat2(rows + r * row_stride);
      for (int v = 0; v < kVectors; ++v) d[v][r] = dot2(d[v][r], w[v], x);
    }
  }
}

// Scores of rows from `row` of the scratch on, which are logits / the scale of the query.
template <int kRows>
__attribute__((noinline)) void score_words(const AttentionTask& task, const WordScratch& s, int row,
                                           float* scores) {
  const int width = padded(task.key_width);
  for (int lane = 0; lane < kPositions; lane += 16 * kWordVectors) {
    I32x16 d[kWordVectors][kRows];
    multiply_words(s.keys + 2 * lane, 2 * kPositions, s.queries + row * width, width, width / 2, d);
    for (int r = 0; r < kRows; ++r)
      for (int v = 0; v < kWordVectors; ++v)
        store(scores + r * kPositions + lane + 16 * v,
              mul(to_f32(d[v][r]), load(s.key_scales + lane + 16 * v)));
  }
}

// 2^x for x up to 0 within 2^-18 of it; 0 below -60, which nothing beside 1 can tell.
inline F32x16 exp2_coarsely(F32x16 x) {
  const I32x16 n = round_to_i32(x);
  const F32x16 r = sub(x, to_f32(n));
  F32x16 p = splat(0.00957010191f);
  p = fma(p, r, splat(0.0559178603f));
  p = fma(p, r, splat(0.240247448f));
  p = fma(p, r, splat(0.693121815f));
  p = fma(p, r, splat(0.999999261f));
  return zero_where_below(x, splat(-60.0f), as_f32(add(as_i32(p), shift_left(n, 23))));
}
constexpr float kLog2E = 1.44269504f;

// What a block of rows is in one tile.
struct WordRows {
  bool sees[kWordBlock];
  alignas(64) float parts[kWordBlock][16];    // of what is added or compared
  alignas(64) float squares[kWordBlock][16];  // parts of the sum of those of weights
  alignas(64) float units[kWordBlock];        // by what its scores are logits
  alignas(64) float most[kWordBlock];         // the largest score
  alignas(64) float factor[kWordBlock];       // by which weights become words
  alignas(64) float shrink[kWordBlock];       // by what the sums so far count from now on
  alignas(64) float weight[kWordBlock];       // by what products of words count
};

// The largest score of each row. Where logits are more than scores times their scale, scores become
// logits.
inline void find_largest(const AttentionTask& task, const QueryRows& rows, int tile,
                         const WordScratch& s, WordRows& t) {
  const bool plain = task.softcap == 0 && task.slopes == nullptr;
  for (int r = 0; r < rows.count; ++r) {
    const int at = rows.of_task + r;
    const int begin = clamp(task.visible_begin[at] - tile, 0, kPositions),
              end = clamp(task.visible_end[at] - tile, 0, kPositions);
    const float units = s.query_scales[rows.of_scratch + r];
    float* scores = s.floats.scores + r * kPositions;
    t.sees[r] = begin < end;
    t.units[r] = plain ? units : 1;
    F32x16 most = zero_f32();
    if (plain && begin == 0 && end == kPositions) {
      most = load(scores);
      for (int i = 16; i < kPositions; i += 16) most = max(most, load(scores + i));
    } else if (t.sees[r]) {
      most = splat(
          bound_scores(task, plain ? 1 : units, slope_of(task, at, tile), begin, end, scores));
    }
    store(t.parts[r], most);
  }
  for (int r = 0; r < rows.count; r += 16) store(t.most + r, largest_of_rows(t.parts + r));
}

// Scores become exponentials, and these weights of the words of values.
inline void raise_rows(int rows, const WordScratch& s, WordRows& t) {
  for (int r = 0; r < rows; ++r) {
    float* scores = s.floats.scores + r * kPositions;
    const float units = kLog2E * t.units[r];
    const F32x16 offset = splat(-units * t.most[r]);
    F32x16 added = zero_f32(), squares = zero_f32();
    for (int i = 0; i < kPositions; i += 16) {
      const F32x16 e = exp2_coarsely(fma(load(scores + i), splat(units), offset));
      const F32x16 weight = mul(e, load(s.value_scales + i));
      added = add(added, e);
      squares = fma(weight, weight, squares);
      store(scores + i, weight);
    }
    store(t.parts[r], added);
    store(t.squares[r], squares);
  }
}

// The sums of exponentials so far, and by what this tile and those before it count from now on.
inline void absorb_rows(const QueryRows& rows, const WordScratch& s, WordRows& t) {
  for (int r = 0; r < rows.count; r += 16) {
    float* top = s.floats.top + rows.of_scratch + r;
    float* total = s.floats.total + rows.of_scratch + r;
    const F32x16 before = load(top), added = sums_of_rows(t.parts + r),
                 length = sqrt(sums_of_rows(t.squares + r)),
                 here = mul(load(t.most + r), load(t.units + r)), now = max(before, here),
                 shrink = exp(sub(before, now)), weight = exp(sub(here, now));
    // Below that squares have lost bits; values have no more than 1e-14 then.
    const F32x16 factor = zero_where_below(length, splat(1e-18f), div(splat(kMostWeight), length));
    alignas(64) float tops[16], totals[16];
    store(tops, now);
    store(totals, fma(load(total), shrink, mul(weight, added)));
    store(t.factor + r, factor);
    store(t.shrink + r, shrink);
    store(t.weight + r, mul(mul(weight, length), splat(1 / kMostWeight)));
    for (int i = 0; i < 16 && r + i < rows.count; ++i) {
      if (t.sees[r + i])
        top[i] = tops[i], total[i] = totals[i];
      else
        t.factor[r + i] = 0, t.shrink[r + i] = 1, t.weight[r + i] = 0;
    }
  }
}

// Weights become words.
inline void pack_weights(int rows, const WordScratch& s, const WordRows& t) {
  for (int r = 0; r < rows; ++r) {
    const float* weights = s.floats.scores + r * kPositions;
    const auto word = [&](int i) {
      return round_to_i32(mul(load(weights + i), splat(t.factor[r])));
    };
    for (int i = 0; i < kPositions; i += 32)
      store(s.weights + r * kPositions + i, alternate_words(word(i), word(i + 16)));
  }
}

template <int kVectors, int kRows>
__attribute__((noinline)) void weigh_lanes(const WordScratch& s, const WordRows& t, int row,
                                           int width, int lane, float* sums) {
  bool shrinks = false;
  for (int r = 0; r < kRows; ++r) shrinks = shrinks || t.shrink[row + r] != 1;
  if (shrinks)
    for (int r = 0; r < kRows; ++r)
      for (int v = 0; v < kVectors; ++v) {
        float* to = sums + r * width + lane + 16 * v;
        store(to, mul(load(to), splat(t.shrink[row + r])));
      }
  I32x16 d[kVectors][kRows];
  multiply_words(s.values + 2 * lane, 2 * width, s.weights + row * kPositions, kPositions,
                 kPositions / 2, d);
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) {
      float* to = sums + r * width + lane + 16 * v;
      store(to, fma(to_f32(d[v][r]), splat(t.weight[row + r]), load(to)));
    }
}

// Sums of rows from `row` of the block on, += their weights times the values.
template <int kRows>
inline void weigh_words(const AttentionTask& task, const WordScratch& s, const WordRows& t, int row,
                        float* sums) {
  const int width = padded(task.value_width);
  if (*s.doubtful)
    for (int r = 0; r < kRows; ++r)
      for (int c = 0; c < width && t.sees[row + r]; c += 16)
        store(sums + r * width + c, add(load(sums + r * width + c), load(s.value_doubts + c)));
  int lane = 0;
  for (; lane + 16 * kWordVectors <= width; lane += 16 * kWordVectors)
    weigh_lanes<kWordVectors, kRows>(s, t, row, width, lane, sums);
  if (lane < width) weigh_lanes<2, kRows>(s, t, row, width, lane, sums);
}

template <class Body>
inline void in_word_tiles(int rows, Body&& body) {
  int r = 0;
  for (; r + kWordTile <= rows; r += kWordTile) body.template operator()<kWordTile>(r);
  for (; r < rows; ++r) body.template operator()<1>(r);
}

// Query rows [row, row + rows).
inline void attend_rows_in_words(const AttentionTask& task, int row, int rows,
                                 const WordScratch& s) {
  const CacheRows &keys = rows_of_type(task, task.key_type),
                  &values = rows_of_type(task, task.value_type);
  const int value_width = padded(task.value_width);
  const Seen seen = start_rows(task, row, rows, s.floats);
  pack_queries(task, row, rows, s);
  const auto pack = [&](int tile, int end) {
    keys.gather_keys(task, tile, end, s.floats);
    values.decode_values(task, tile, end, s.floats);
    *s.floats.next = end < seen.end ? next_tile(task, end) : NextTile{};
    pack_key_words(s, task.key_width);
    pack_value_words(s, task.value_width, end - tile);
  };
  each_tile<kWordBlock>(task, row, rows, seen, pack, [&](const QueryRows& block, int tile) {
    WordRows t;
    s.floats.next->ask();
    in_word_tiles(block.count, [&]<int kRows>(int r) {
      score_words<kRows>(task, s, block.of_scratch + r, s.floats.scores + r * kPositions);
    });
    find_largest(task, block, tile, s, t);
    raise_rows(block.count, s, t);
    absorb_rows(block, s, t);
    pack_weights(block.count, s, t);
    in_word_tiles(block.count, [&]<int kRows>(int r) {
      weigh_words<kRows>(task, s, t, r, s.floats.sums + (block.of_scratch + r) * value_width);
    });
  });
  finish_rows(task, row, rows, s.floats);
}

void attention_in_words(const AttentionTask* task, void* scratch) {
  WordScratch s = cut_for_words(*task, scratch);
  NextTile next;
  bool doubtful = false;
  s.floats.next = &next;
  s.doubtful = &doubtful;
  for (int row = 0; row < task->rows; row += kWordRows) {
    const int left = task->rows - row;
    attend_rows_in_words(*task, row, left < kWordRows ? left : kWordRows, s);
  }
}

}  // namespace
}  // namespace issun::kernels
#endif
