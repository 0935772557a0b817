// The matrices of a file that the laboratory may look at, and rows of one as floats.
#pragma once

#include <string>
#include <vector>

#include "gguf/reader.h"
#include "quantize/importance.h"
#include "quantize/lab/sample.h"

namespace issun::measure::lab {

// Those that quantising would touch, in the order of the file.
std::vector<Tensor> matrices_of(const gguf::GgufFile& file);
// The matrix of that name, or those in whose names the regular expression is found. Error: none.
Result<std::vector<Tensor>> matrices_named(const gguf::GgufFile& file, const std::string& pattern);
// The one to look at where nobody says which: of the middle layer, the one that ends its
// feed-forward part, whose inputs have most outliers; else the first.
Tensor typical_matrix(const std::vector<Tensor>& matrices);

struct MatrixRows {
  Tensor tensor;
  std::vector<float> values;   // (rows, columns)
  std::vector<float> weights;  // (rows, columns) importance; empty: none is known
  int64_t columns = 0;

  int64_t rows() const { return static_cast<int64_t>(values.size()) / columns; }
  quantize::lab::Sample sample() const { return {values, columns, weights}; }
  const float* weights_of(int64_t row) const {
    return weights.empty() ? nullptr : weights.data() + row * columns;
  }
};

// At most so many rows, evenly spread over the matrix; 0: all. importance: nullptr where there is
// none. Error: a value that is NaN or infinite, with its place; importance of another shape.
Result<MatrixRows> read_rows(const Tensor& tensor, const quantize::Importance* importance,
                             int64_t most_rows);

}  // namespace issun::measure::lab
