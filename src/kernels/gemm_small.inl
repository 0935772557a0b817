// Small products on one thread. A side that already lies as the tile reads it is read in place.
#pragma once

#include "kernels/gemm.inl"

namespace issun::kernels {
namespace {

constexpr int kSmallRows = 72;  // rows of a that share a panel of b

struct SmallGemmScratch {
  alignas(64) float a[(kSmallRows + kGemmRows) * kGemmStride];
  alignas(64) float b[kGemmDepth * kGemmColumns];
};

struct SmallSide {
  const float* lines;
  int64_t stride;
};

// Lines [first, first + lines) at depth [p, p + depth) of a side, whose lines are `line` and whose
// depths are `step` floats apart, as panels.
template <class Panels>
void pack_small(const float* from, int64_t line, int64_t step, int lines, int padding, int depth,
                float* panels) {
  GemmPack pack{};
  pack.from = from;
  pack.rows_are_lines = step == 1;
  pack.row_bytes = (step == 1 ? line : step) * static_cast<int64_t>(sizeof(float));
  pack.lines = lines;
  pack.padding = padding;
  pack.depths = depth;
  pack.panels = panels;
  gemm_pack<Panels>(&pack, nullptr);
}

// The panel of b with its columns from j on.
inline SmallSide panel_of_b(const SmallGemm& task, int j, int p, int depth,
                            SmallGemmScratch& scratch) {
  const float* from = task.b + p * task.b_row + j * task.b_column;
  const int lines = task.n - j < kGemmColumns ? task.n - j : kGemmColumns;
  if (task.b_column == 1 && lines == kGemmColumns) return {from, task.b_row};
  pack_small<PanelsOfB<Floats>>(from, task.b_column, task.b_row, lines, kGemmColumns - lines, depth,
                                scratch.b);
  return {scratch.b, kGemmColumns};
}

// Rows [i, i + rows), at most kSmallRows, and depths [p, p + depth).
inline void multiply_small(const SmallGemm& task, int i, int rows, int p, int depth,
                           SmallGemmScratch& scratch) {
  const float* from = task.a + i * task.a_row + p * task.a_column;
  const bool in_place = task.a_column == 1;
  const int whole = rows / kGemmRows * kGemmRows;
  const int first = in_place ? whole : 0;  // what is packed starts here
  if (first < rows)
    pack_small<PanelsOfA<Floats>>(
        from + first * task.a_row, task.a_row, task.a_column, rows - first,
        (rows - whole + kGemmRows - 1) / kGemmRows * kGemmRows - (rows - whole), depth, scratch.a);
  for (int j = 0; j < task.n; j += kGemmColumns) {
    const SmallSide b = panel_of_b(task, j, p, depth, scratch);
    for (int r = 0; r < rows; r += kGemmRows) {
      const bool packed = r >= first;
      const MicroTile t{.a = packed ? scratch.a + (r - first) * kGemmStride : from + r * task.a_row,
                        .a_stride = packed ? kGemmStride : task.a_row,
                        .b = b.lines,
                        .b_stride = b.stride,
                        .depth = depth,
                        .scale = task.scale,
                        .add = task.accumulate || p > 0};
      float* out = task.out + (i + r) * task.out_stride + j;
      if (rows - r >= kGemmRows && task.n - j >= kGemmColumns)
        multiply_tile<Floats>(t, out, task.out_stride);
      else
        multiply_some<Floats>(t, rows - r, task.n - j, out, task.out_stride);
    }
  }
}

void small_gemm(const SmallGemm* task, void* memory) {
  static_assert(sizeof(SmallGemmScratch) <= kScratchBytes);
  auto& scratch = *static_cast<SmallGemmScratch*>(memory);
  for (int i = 0; i < task->m; i += kSmallRows) {
    const int rows = task->m - i < kSmallRows ? task->m - i : kSmallRows;
    int p = 0;
    do {  // once even where there is nothing to add up: then out becomes zero
      const int depth = task->k - p < kGemmDepth ? task->k - p : kGemmDepth;
      multiply_small(*task, i, rows, p, depth, scratch);
      p += kGemmDepth;
    } while (p < task->k);
  }
}

}  // namespace
}  // namespace issun::kernels
