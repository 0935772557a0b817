#include "measure/lab/matrix.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/quote.h"
#include "grammar/regex.h"
#include "quantize/mixture.h"
#include "tensor/codec.h"

namespace issun::measure::lab {

std::vector<Tensor> matrices_of(const gguf::GgufFile& file) {
  std::vector<Tensor> result;
  for (const Tensor& tensor : file.tensors()) {
    if (facts(tensor.type).computable && tensor.columns() > 0 && tensor.rows() > 0 &&
        quantize::is_quantised({std::string(tensor.name), tensor.size}))
      result.push_back(tensor);
  }
  return result;
}

Result<std::vector<Tensor>> matrices_named(const gguf::GgufFile& file, const std::string& pattern) {
  const std::vector<Tensor> all = matrices_of(file);
  std::vector<Tensor> found;
  for (const Tensor& tensor : all) {
    if (tensor.name == pattern) return std::vector<Tensor>{tensor};
  }
  const Result<grammar::Dfa> dfa = grammar::parse_regex(pattern);
  if (!dfa) return fail("--tensor {}: {}", printable(pattern), dfa.error().message);
  for (const Tensor& tensor : all) {
    if (dfa->accepts(grammar::characters(tensor.name))) found.push_back(tensor);
  }
  if (found.empty()) {
    return fail("--tensor {}: expected the name of a matrix, found none of that name among {}{}",
                printable(pattern), all.size(),
                all.empty() ? "" : ", such as " + printable(all[all.size() / 2].name));
  }
  return found;
}

Tensor typical_matrix(const std::vector<Tensor>& matrices) {
  std::vector<Tensor> down;
  for (const Tensor& tensor : matrices) {
    if (tensor.name.find("ffn_down") != std::string_view::npos) down.push_back(tensor);
  }
  return down.empty() ? matrices.front() : down[down.size() / 2];
}

namespace {

Result<void> add_importance(const quantize::Importance* importance,
                            const std::vector<int64_t>& rows, MatrixRows* matrix) {
  if (importance == nullptr) return {};
  const quantize::ColumnWeights found = TRY(importance->columns_of(matrix->tensor));
  if (found.entry == nullptr) return {};
  const int64_t columns = matrix->columns;
  matrix->weights.resize(matrix->values.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const int64_t part = rows[i] / matrix->tensor.size[1] % found.parts;
    std::copy_n(found.values + part * columns, columns,
                matrix->weights.begin() + static_cast<int64_t>(i) * columns);
  }
  return {};
}

}  // namespace

Result<MatrixRows> read_rows(const Tensor& tensor, const quantize::Importance* importance,
                             int64_t most_rows) {
  MatrixRows matrix;
  matrix.tensor = tensor;
  matrix.columns = tensor.columns();
  const int64_t count = most_rows > 0 ? std::min(most_rows, tensor.rows()) : tensor.rows();
  matrix.values.resize(static_cast<size_t>(count * matrix.columns));
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < count; ++i) {
    // In two steps, since the product of both numbers may be too large.
    const int64_t row = tensor.rows() / count * i + tensor.rows() % count * i / count;
    rows.push_back(row);
    float* values = matrix.values.data() + i * matrix.columns;
    decode_row(tensor.type, tensor.row(row), matrix.columns, values);
    for (int64_t c = 0; c < matrix.columns; ++c) {
      if (!std::isfinite(values[c])) {
        return fail("{}: expected finite weights, found {} in row {}, column {}",
                    printable(tensor.name), values[c], row, c);
      }
    }
  }
  TRY(add_importance(importance, rows, &matrix));
  return matrix;
}

}  // namespace issun::measure::lab
