// Products of two matrices, for training: blocks of both sides are copied into panels, which the
// workers share, and each tile of the output is added up in registers. Not here: products with the
// few tokens of a decode step, or with activations in 8 bits (linear.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/memory.h"
#include "base/result.h"
#include "base/threads.h"
#include "kernels/kernels.h"
#include "tensor/tensor.h"

namespace issun::kernels {

// One side of a product: a tensor of any computable type, decoded exactly while it is packed, as
// (rows, columns), or where `transposed` as (columns, rows).
struct GemmOperand {
  Tensor tensor;
  int64_t stride = 0;  // floats from row to row of an F32 tensor; 0: rows follow each other
  bool transposed = false;
  int64_t rows() const { return transposed ? tensor.columns() : tensor.rows(); }
  int64_t columns() const { return transposed ? tensor.rows() : tensor.columns(); }
};
GemmOperand operand(const Matrix<const float>& matrix, bool transposed = false);
GemmOperand operand(const Matrix<float>& matrix, bool transposed = false);
GemmOperand operand(const Tensor& tensor, bool transposed = false);

// out (m, n) = a (m, k) . b (k, n), or += where `accumulate`. k may be 0. out overlaps neither
// side.
struct Gemm {
  GemmOperand a, b;
  Matrix<float> out;
  bool accumulate = false;
  GemmPrecision precision = GemmPrecision::F32;
};

// Memory for panels of both sides and for each worker, the same for products of all sizes: about
// 5 MiB and kScratchBytes a worker.
class GemmScratch {
 public:
  // Error: out of memory.
  static Result<GemmScratch> create(int workers);
  static int64_t planned_bytes(int workers);  // that create() asks for
  float* a() const { return memory_.at<float>(a_).data(); }
  float* b() const { return memory_.at<float>(b_).data(); }
  void* of(int worker) const {
    return memory_.at<std::byte>(workers_).data() + worker * kScratchBytes;
  }

 private:
  void reserve(int workers);
  Arena memory_;
  Arena::Part a_, b_, workers_;
};

// Several products, one after another; neighbours with the same a (q k v; gate and up) share its
// panels and their parallel regions. The sum of an output goes along k in blocks, each added up
// from its first product to its last: its bits depend on its row and its column alone, not on the
// number of workers, nor on the sizes of the matrices, nor on what else is computed. With
// `accumulate` the blocks are added to what was there, in turn. Not a number and infinities travel
// as IEEE 754 has it. BF16: in the tables avx512bf16 and amx subnormal numbers count as zero.
void gemm(const KernelTable& table, Workers& workers, const GemmScratch& scratch,
          std::span<const Gemm> products);

}  // namespace issun::kernels
