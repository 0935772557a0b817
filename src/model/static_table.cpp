#include "model/static_table.h"

#include <cmath>
#include <cstring>

namespace issun::model {

namespace {

using safetensors::SafetensorsFile;
using safetensors::StoredTensor;

constexpr int64_t kMostTokens = int64_t{1} << 22, kWidest = 1 << 16;
constexpr std::string_view kRows[] = {"embeddings", "embedding.weight", "0"};

Result<void> check_floats(const StoredTensor& tensor) {
  if (safetensors::reads_as_floats(*tensor.type)) return {};
  return fail("{}: expected F32, F16, BF16, F64 or I8, found {}", tensor.name, tensor.type->name);
}

Result<void> check_count(const StoredTensor& tensor, int64_t count) {
  if (tensor.shape.size() == 1 && tensor.columns() == count) return {};
  return fail("{}: expected shape ({}), a number for each token, found {}", tensor.name, count,
              safetensors::describe_shape(tensor.shape));
}

Result<void> read_weights(const StoredTensor& tensor, StaticTable& table) {
  TRY(check_floats(tensor));
  TRY(check_count(tensor, table.tokens()));
  table.weights.resize(static_cast<size_t>(table.tokens()));
  safetensors::read_floats(tensor, 0, table.weights);
  for (const float weight : table.weights) {
    if (!std::isfinite(weight))
      return fail("{}: expected finite numbers, found {}", tensor.name, weight);
  }
  return {};
}

Result<void> read_mapping(const StoredTensor& tensor, StaticTable& table) {
  const bool wide = tensor.type->type == DType::I64;
  if (!wide && tensor.type->type != DType::I32) {
    return fail("{}: expected I32 or I64, found {}", tensor.name, tensor.type->name);
  }
  if (tensor.shape.size() != 1 || tensor.columns() < 1 || tensor.columns() > kMostTokens) {
    return fail("{}: expected a row for each of 1 to {} tokens, found {}", tensor.name, kMostTokens,
                safetensors::describe_shape(tensor.shape));
  }
  for (int64_t t = 0; t < tensor.columns(); ++t) {
    int64_t row = 0;
    int32_t narrow = 0;
    if (wide) {
      std::memcpy(&row, tensor.data.data() + t * 8, sizeof row);
    } else {
      std::memcpy(&narrow, tensor.data.data() + t * 4, sizeof narrow);
      row = narrow;
    }
    if (row < 0 || row >= table.rows.rows()) {
      return fail("{}: expected rows from 0 to {}, found {}", tensor.name, table.rows.rows() - 1,
                  row);
    }
    table.row_of.push_back(static_cast<int32_t>(row));
  }
  return {};
}

}  // namespace

void StaticTable::read(tokenizer::Token token, std::span<float> out) const {
  const auto at = static_cast<size_t>(token);
  const int64_t row = row_of.empty() ? token : row_of[at];
  safetensors::read_floats(rows, row * rows.columns(), out);
  if (weights.empty()) return;
  for (float& x : out) x *= weights[at];
}

Result<StaticTable> StaticTable::read_from(const SafetensorsFile& file) {
  const StoredTensor* rows = nullptr;
  for (const std::string_view name : kRows) {
    if (rows == nullptr) rows = file.find(name);
  }
  if (rows == nullptr) return fail("{}: expected a tensor 'embeddings', found none", file.path());
  StaticTable table;
  table.rows = *rows;
  TRY(check_floats(*rows));
  if (rows->shape.size() != 2 || rows->rows() < 1 || rows->rows() > kMostTokens ||
      rows->columns() < 1 || rows->columns() > kWidest) {
    return fail("{}: expected 1 to {} rows of 1 to {} numbers, found {}", rows->name, kMostTokens,
                kWidest, safetensors::describe_shape(rows->shape));
  }
  const StoredTensor* mapping = file.find("mapping");
  const StoredTensor* weights = file.find("weights");
  if (mapping != nullptr) TRY(read_mapping(*mapping, table));
  if (weights != nullptr) TRY(read_weights(*weights, table));
  for (const auto& [name, tensor] : file.tensors()) {
    if (&tensor == rows || &tensor == mapping || &tensor == weights) continue;
    return fail("{}: expected no such tensor beside {}", tensor.name, rows->name);
  }
  return table;
}

}  // namespace issun::model
