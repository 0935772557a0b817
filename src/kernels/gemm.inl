// Products of matrices of floats: panels of both sides, and a tile of sums that stays in registers.
// Source: Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008); Van
// Zee and van de Geijn, "BLIS" (2015). Not here: blocks and threads (gemm.cpp).
#pragma once

#include "kernels/formats.inl"
#include "kernels/kernels.h"

namespace issun::kernels {
namespace {

constexpr int kGemmColumns = 16 * kGemmVectors;

// What a word of a panel holds.
struct Floats {
  static constexpr int kPerWord = 1;
  static F32x16 rounded(F32x16 x) { return x; }
};
// Numbers of bf16 kept as floats, for instruction sets that have no products of bf16.
struct RoundedFloats {
  static constexpr int kPerWord = 1;
  static F32x16 rounded(F32x16 x) {
    uint16_t brain[16];
    store_bf16(brain, x);
    return load_bf16(brain);
  }
};

// Where blocks of 16 x 16 go in panels of a: vectors are lines, lanes their depths.
template <class Numbers>
struct PanelsOfA {
  static constexpr bool kVectorsAreLines = true;
  static void store_block(const GemmPack& task, int line, int depth, int lines,
                          const F32x16 (&m)[16]) {
    for (int i = 0; i < 16; ++i)
      if (i < lines)
        store(static_cast<float*>(task.panels) + (task.first + line + i) * kGemmStride + depth,
              Numbers::rounded(m[i]));
  }
};
// The same in panels of b: vectors are depths, lanes lines.
template <class Numbers>
struct PanelsOfB {
  static constexpr bool kVectorsAreLines = false;
  static void store_block(const GemmPack& task, int line, int depth, int, const F32x16 (&m)[16]) {
    const int at = task.first + line;
    float* to = static_cast<float*>(task.panels) + at / kGemmColumns * (kGemmColumns * kGemmDepth) +
                depth * kGemmColumns + at % kGemmColumns;
    for (int i = 0; i < 16; ++i) store(to + i * kGemmColumns, Numbers::rounded(m[i]));
  }
};

// 16 columns of 16 rows; what lies outside is zero.
inline void load_block(const float* const (&rows)[16], int row_count, int column, int columns,
                       F32x16 (&m)[16]) {
  const int n = columns - column;
  for (int i = 0; i < 16; ++i) {
    if (i >= row_count || n <= 0)
      m[i] = zero_f32();
    else
      m[i] = n >= 16 ? load(rows[i] + column) : load_first(rows[i] + column, n);
  }
}

struct GemmPackScratch {
  alignas(64) float decoded[16][2 * kGemmDepth];
};

template <class Panels>
void gemm_pack(const GemmPack* task, void* scratch) {
  static_assert(sizeof(GemmPackScratch) <= kScratchBytes);
  auto* room = static_cast<GemmPackScratch*>(scratch);
  const bool turned = task->rows_are_lines != Panels::kVectorsAreLines;
  const int padded = task->lines + task->padding;
  const int rows = task->rows_are_lines ? task->lines : task->depth;
  const int columns = task->rows_are_lines ? task->depth : task->lines;
  const int row_end = task->rows_are_lines ? padded : rows;
  const int column_end = task->rows_are_lines ? columns : padded;
  for (int r = 0; r < row_end; r += 16) {
    const float* row[16] = {};
    for (int i = 0; i < 16 && r + i < rows; ++i) {
      const auto* from = static_cast<const uint8_t*>(task->from) + (r + i) * task->row_bytes;
      row[i] = reinterpret_cast<const float*>(from);
      if (task->decode == nullptr) continue;
      task->decode(from, columns, room->decoded[i]);
      row[i] = room->decoded[i];
    }
    for (int c = 0; c < column_end; c += 16) {
      F32x16 m[16];
      load_block(row, rows - r, c, columns, m);
      if (turned) transpose(m);
      const int line = task->rows_are_lines ? r : c, depth = task->rows_are_lines ? c : r;
      Panels::store_block(*task, line, depth, padded - line, m);
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

template <class Numbers>
__attribute__((always_inline)) inline void multiply_tile(const MicroTile& t, float* out,
                                                         int64_t out_stride) {
  F32x16 acc[kGemmRows][kGemmVectors];
  for (int i = 0; i < kGemmRows; ++i) {
    prefetch(out + i * out_stride);
    for (int v = 0; v < kGemmVectors; ++v) acc[i][v] = zero_f32();
  }
  const float *a = t.a, *b = t.b;
  for (int p = 0; p < t.depth; ++p, ++a, b += t.b_stride) {
    F32x16 w[kGemmVectors];
    for (int v = 0; v < kGemmVectors; ++v) w[v] = load(b + 16 * v);
    for (int i = 0; i < kGemmRows; ++i) {
      const F32x16 x = splat(a[i * t.a_stride]);
      for (int v = 0; v < kGemmVectors; ++v) acc[i][v] = fma(x, w[v], acc[i][v]);
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
  for (int j = 0; j < task->columns; j += kGemmColumns) {
    t.b = static_cast<const float*>(task->b) + int64_t{j} * kGemmDepth;
    for (int i = 0; i < task->rows; i += kGemmRows) {
      t.a = static_cast<const float*>(task->a) + int64_t{i} * kGemmStride;
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
