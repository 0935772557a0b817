// Rounding with error feedback (GPTQ: Frantar et al., 2022, arXiv 2210.17323) into the grids of
// block formats: what a column is off by is made up for by the columns that are rounded after it.
//
// With H = R R^T in the order of rounding, R an upper triangle, the error of a row is the sum over
// columns i of (c_i + e_i R_ii)^2, e being what weights lose and c_i = sum over j < i of e_j R_ji.
// So column i is best rounded from w_i + c_i / R_ii: the same as GPTQ's updates of the weights to
// come by the Cholesky factor of the inverse, without an inverse.
#pragma once

#include <span>
#include <vector>

#include "kernels/gemm.h"
#include "quantize/encode.h"
#include "quantize/grid.h"
#include "tensor/tensor.h"

namespace issun::quantize {

// The sum of x x^T over the inputs x (n) that a calibration text gives a matrix.
struct Hessian {
  int64_t n = 0, inputs = 0;
  std::vector<float> sums;        // (n, n)
  std::vector<float> magnitudes;  // (n): of |x|
  // The share of the mean of the diagonal that is added to it.
  static constexpr double kDamping = 0.01;
  // Divides by the inputs and makes the diagonal safe: columns that met nothing count for
  // themselves, and all a little more than they did.
  void finish();
};

// A Hessian, taken apart for the order in which the columns of a format are rounded: blocks, and
// units within a block, by what they count for, the heaviest first.
struct Factor {
  int64_t n = 0;
  int block = 0, unit = 0;
  std::vector<int> order;     // (n): the column that is rounded at each turn
  std::vector<float> upper;   // (n, n): R
  std::vector<float> losses;  // (n), by column: what a squared error counts for where it is made
  const float* row(int64_t i) const { return upper.data() + i * n; }
};
// by_weight: false: columns from the first to the last. Error: the Hessian is not positive
// definite.
Result<Factor> factor(const Hessian& hessian, int block, int unit, bool by_weight,
                      Workers& workers);

// Chooses the codes of a block that `grid` has open, the block's columns being turns
// [first, first + factor.block). weights, errors: (n) of the row, weights by column, errors by
// turn. carried (block): c of those turns from what is before the block; the terms of the error
// sum's roots afterwards. Returns their squares' sum.
double feed_block(const Factor& factor, int64_t first, const float* weights,
                  const kernels::KernelTable& kernels, Grid* grid, float* carried, float* errors);

class Feedback {
 public:
  struct Tools {
    const kernels::KernelTable& kernels;
    const Encoder& encoder;
    const kernels::GemmScratch& gemm;
    Workers& workers;
  };
  // factor: nullptr: no feedback, just the search that minds the diagonal alone.
  Feedback(const Tools& tools, DType type, const Hessian& hessian, const Factor* factor);

  // (rows) each: w H w^T of the weights, e H e^T of the search, and of what is written: the better
  // one of search and feedback.
  struct Errors {
    std::span<double> all, search, written;
  };
  // Rows of weights (rows, n) into `out` (rows, row_bytes).
  void round(const Matrix<const float>& weights, std::byte* out, const Errors& errors);

 private:
  struct Room {
    std::unique_ptr<EncodeScratch> scratch;
    std::unique_ptr<Grid> grid;
    std::vector<float> again;
  };
  void round_block(const Matrix<const float>& weights, int64_t first);
  void round_row_of_block(const float* weights, int64_t r, int64_t first, Room* room);
  void descend(const Matrix<const float>& weights);
  bool descend_row(const float* weights, int64_t r, Room* room);
  void lose(const Matrix<const float>& weights, const std::byte* rows, std::span<double> out);
  void errors_of(const Matrix<const float>& errors, std::span<double> out);
  template <class Body>
  void each_row(int64_t rows, Body&& body);
  std::byte* block_at(int64_t r, int64_t column);

  const Tools tools_;
  const DType type_;
  const Hessian& hessian_;
  const Factor* factor_;
  const int64_t n_;
  std::vector<float> diagonal_;            // of the Hessian
  std::vector<Room> rooms_;                // of each worker
  std::vector<float> errors_, by_column_;  // (rows, n): by turn, and by column
  std::vector<float> carried_, products_;  // (rows, block) and (rows, n)
  std::byte* out_ = nullptr;
};

}  // namespace issun::quantize
