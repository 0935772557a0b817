// Products of matrices of floats: panels of both sides, and a tile of sums that stays in registers.
// Source: Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008); Van
// Zee and van de Geijn, "BLIS" (2015). Not here: blocks and threads (gemm.cpp).
#pragma once

#include "kernels/formats.inl"
#include "kernels/kernels.h"

namespace issun::kernels {
namespace {

constexpr int kGemmColumns = 16 * kGemmVectors;

// What a word of a panel holds. A line takes 16 depths at a time, and so do 16 lines of b.
struct Floats {
  static constexpr int kPerWord = 1;
  static void store_line(float* line, int depth, F32x16 x) { store(line + depth, x); }
  static void store_depths(float* panel, int depth, const F32x16 (&m)[16]) {
    for (int i = 0; i < 16; ++i) store(panel + (depth + i) * kGemmColumns, m[i]);
  }
  static F32x16 words(const float* p) { return load(p); }
  static F32x16 word(const float* p) { return splat(*p); }
  static F32x16 multiply_add(F32x16 a, F32x16 b, F32x16 c) { return fma(a, b, c); }
};
#ifdef ISSUN_PAIR_DOT
struct Brains {
  static constexpr int kPerWord = 2;
  static void store_line(float* line, int depth, F32x16 x) { store_bf16(line + depth / 2, x); }
  static void store_depths(float* panel, int depth, const F32x16 (&m)[16]) {
    for (int i = 0; i < 16; i += 2)
      store_pairs(panel + (depth + i) / 2 * kGemmColumns, pairs(m[i], m[i + 1]));
  }
  static Bf16x32 words(const float* p) { return load_pairs(p); }
  static Bf16x32 word(const float* p) { return splat_pair(p); }
  static F32x16 multiply_add(Bf16x32 a, Bf16x32 b, F32x16 c) { return dot2(c, a, b); }
};
#else
// Numbers of bf16 kept as floats: widening pairs would take more time than their products.
struct Brains : Floats {
  static F32x16 rounded(F32x16 x) {
    uint16_t brain[16];
    store_bf16(brain, x);
    return load_bf16(brain);
  }
  static void store_line(float* line, int depth, F32x16 x) { store(line + depth, rounded(x)); }
  static void store_depths(float* panel, int depth, const F32x16 (&m)[16]) {
    for (int i = 0; i < 16; ++i) store(panel + (depth + i) * kGemmColumns, rounded(m[i]));
  }
};
#endif

// Where blocks of 16 x 16 go in panels of a: vectors are lines, lanes their depths.
template <class Numbers>
struct PanelsOfA {
  static constexpr bool kVectorsAreLines = true;
  static void store_block(const GemmPack& task, int line, int depth, int lines,
                          const F32x16 (&m)[16]) {
    float* to = static_cast<float*>(task.panels) + (task.line + line) * kGemmStride;
    const int used = lines < 16 ? lines : 16;
    for (int i = 0; i < used; ++i)
      Numbers::store_line(to + i * kGemmStride, task.depth + depth, m[i]);
  }
};
// The same in panels of b: vectors are depths, lanes lines.
template <class Numbers>
struct PanelsOfB {
  static constexpr bool kVectorsAreLines = false;
  static void store_block(const GemmPack& task, int line, int depth, int, const F32x16 (&m)[16]) {
    const int at = task.line + line;
    float* panel = static_cast<float*>(task.panels) +
                   at / kGemmColumns * (kGemmColumns * kGemmDepth) + at % kGemmColumns;
    Numbers::store_depths(panel, task.depth + depth, m);
  }
};

// 16 columns of 16 rows; what lies outside is zero.
inline void load_block(const float* const (&rows)[16], int row_count, int column, int columns,
                       F32x16 (&m)[16]) {
  const int n = columns - column;
  if (row_count >= 16 && n >= 16) {
    for (int i = 0; i < 16; ++i) m[i] = load(rows[i] + column);
    return;
  }
  for (int i = 0; i < 16; ++i) {
    if (i >= row_count || n <= 0)
      m[i] = zero_f32();
    else
      m[i] = n >= 16 ? load(rows[i] + column) : load_first(rows[i] + column, n);
  }
}

constexpr int kGemmSegment = 2 * kUnit;  // columns decoded at a time
struct GemmPackScratch {
  alignas(64) float decoded[16][kGemmSegment];
};

// Columns [column, column + columns) of the rows from r on, at most 16.
inline void gather_rows(const GemmPack& task, int r, int rows, int column, int columns,
                        GemmPackScratch* scratch, const float* (&row)[16]) {
  for (int i = 0; i < 16 && r + i < rows; ++i) {
    const auto* from = static_cast<const uint8_t*>(task.from) + (r + i) * task.row_bytes +
                       column / kUnit * task.unit_bytes;
    row[i] = reinterpret_cast<const float*>(from);
    if (task.decode == nullptr || columns <= 0) continue;
    task.decode(from, columns, scratch->decoded[i]);
    row[i] = scratch->decoded[i];
  }
}

template <class Panels>
void gemm_pack(const GemmPack* task, void* scratch) {
  static_assert(sizeof(GemmPackScratch) <= kScratchBytes);
  const bool turned = task->rows_are_lines != Panels::kVectorsAreLines;
  const int padded = task->lines + task->padding;
  const int rows = task->rows_are_lines ? task->lines : task->depths;
  const int columns = task->rows_are_lines ? task->depths : task->lines;
  const int row_end = task->rows_are_lines ? padded : rows;
  const int column_end = task->rows_are_lines ? columns : padded;
  for (int r = 0; r < row_end; r += 16)
    for (int first = 0; first < column_end; first += kGemmSegment) {
      const float* row[16] = {};
      const int some = columns - first < kGemmSegment ? columns - first : kGemmSegment;
      gather_rows(*task, r, rows, first, some, static_cast<GemmPackScratch*>(scratch), row);
      for (int c = 0; c < kGemmSegment && first + c < column_end; c += 16) {
        F32x16 m[16];
        load_block(row, rows - r, c, some, m);
        if (turned) transpose(m);
        const int line = task->rows_are_lines ? r : first + c;
        Panels::store_block(*task, line, task->rows_are_lines ? first + c : r, padded - line, m);
      }
    }
}

// kGemmRows lines of a, `a_stride` apart, and kGemmColumns lines of b, depth after depth `b_stride`
// apart.
struct MicroTile {
  const float* a;
  int64_t a_stride;
  const float* b;
  int64_t b_stride;
  int depth;
  float scale;
  bool add;
};

// b comes from the second cache, where no prefetcher sees all of it in time: without this, 512^3
// has 0.79 of the peak instead of 0.87.
constexpr int kPrefetchDepths = 24;

template <class Numbers>
__attribute__((always_inline)) inline void multiply_tile(const MicroTile& t, float* out,
                                                         int64_t out_stride) {
  F32x16 acc[kGemmRows][kGemmVectors];
  for (int i = 0; i < kGemmRows; ++i) {
    prefetch(out + i * out_stride);
    prefetch(out + i * out_stride + kGemmColumns - 1);
    for (int v = 0; v < kGemmVectors; ++v) acc[i][v] = zero_f32();
  }
  const float *a = t.a, *b = t.b;
  for (int p = 0; p < t.depth; ++p, ++a, b += t.b_stride) {
    decltype(Numbers::words(b)) w[kGemmVectors];
    for (int v = 0; v < kGemmVectors; ++v) {
      prefetch(b + 16 * v + kPrefetchDepths * t.b_stride);
      w[v] = Numbers::words(b + 16 * v);
    }
    for (int i = 0; i < kGemmRows; ++i) {
      const auto x = Numbers::word(a + i * t.a_stride);
      for (int v = 0; v < kGemmVectors; ++v) acc[i][v] = Numbers::multiply_add(x, w[v], acc[i][v]);
    }
  }
  const F32x16 scale = splat(t.scale);
  for (int i = 0; i < kGemmRows; ++i)
    for (int v = 0; v < kGemmVectors; ++v) {
      float* to = out + i * out_stride + 16 * v;
      store(to, t.add ? fma(acc[i][v], scale, load(to)) : mul(acc[i][v], scale));
    }
}

// A tile of which only the first rows and columns are wanted; the same bits.
template <class Numbers>
ISSUN_SHARED void multiply_some(MicroTile t, int rows, int columns, float* out,
                                int64_t out_stride) {
  alignas(64) float whole[kGemmRows * kGemmColumns];
  const F32x16 scale = splat(t.scale);
  const bool add = t.add;
  t.add = false, t.scale = 1;
  multiply_tile<Numbers>(t, whole, kGemmColumns);
  for (int i = 0; i < rows && i < kGemmRows; ++i)
    for (int c = 0; c < columns && c < kGemmColumns; c += 16) {
      float* to = out + i * out_stride + c;
      const int n = columns - c < 16 ? columns - c : 16;
      const F32x16 x = load(whole + i * kGemmColumns + c);
      store_first(to, add ? fma(x, scale, load_first(to, n)) : mul(x, scale), n);
    }
}

template <class Numbers>
void gemm_tile(const GemmTile* task) {
  MicroTile t{};
  t.a_stride = kGemmStride;
  t.b_stride = kGemmColumns;
  t.depth = (task->depth + Numbers::kPerWord - 1) / Numbers::kPerWord;
  t.scale = 1;
  t.add = task->add;
  for (int i = 0; i < task->rows; i += kGemmRows) {
    t.a = static_cast<const float*>(task->a) + int64_t{i} * kGemmStride;
    for (int j = 0; j < task->columns; j += kGemmColumns) {
      t.b = static_cast<const float*>(task->b) + int64_t{j} * kGemmDepth;
      float* out = task->out + i * task->out_stride + j;
      if (task->rows - i >= kGemmRows && task->columns - j >= kGemmColumns)
        multiply_tile<Numbers>(t, out, task->out_stride);
      else
        multiply_some<Numbers>(t, task->rows - i, task->columns - j, out, task->out_stride);
    }
  }
}

}  // namespace
}  // namespace issun::kernels

#include "kernels/gemm_small.inl"
