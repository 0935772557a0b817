// Finds the tensors of a network by name and holds them to shapes; knows in the end whether the
// file has one that nothing asked for.
#pragma once

#include <set>
#include <string>

#include "gguf/reader.h"
#include "model/weights.h"

namespace issun::model {

class Binder {
 public:
  explicit Binder(const gguf::GgufFile& file) : file_(file) {}

  bool has(const std::string& name) const { return static_cast<bool>(file_.find(name)); }
  Result<Tensor> matrix(const std::string& name, int64_t rows, int64_t columns) const;
  // A vector of plain floats, such as a norm's gains.
  Result<Tensor> vector(const std::string& name, int64_t columns) const;
  // Rows of plain floats.
  Result<Tensor> floats(const std::string& name, int64_t rows, int64_t columns) const;
  // None if the file has none.
  Result<Tensor> optional_vector(const std::string& name, int64_t columns) const;
  // With as many rows as the file has; none if it has none.
  Result<Tensor> optional_table(const std::string& name, int64_t columns) const;
  // prefix.weight, and prefix.bias if there is one.
  Result<Linear> linear(const std::string& prefix, int64_t rows, int64_t columns) const;
  // `count` of them one below the other, their biases likewise.
  Result<Linear> linears(const std::string& prefix, int64_t count, int64_t rows,
                         int64_t columns) const;
  // The same; some files write its name without `.weight`.
  Result<Norm> norm(const std::string& prefix, int64_t columns) const;
  // A tensor that the file may have and nothing here needs.
  void pass_over(const std::string& name) const { find(name); }

  // Error: a tensor that nothing asked for. To leave one out would give other answers in silence.
  Result<void> all_used(const ModelConfig& config) const;

 private:
  Tensor find(const std::string& name) const;
  Result<Tensor> require(const std::string& name) const;

  const gguf::GgufFile& file_;
  mutable std::set<std::string_view> used_;  // names asked for
};

// Rows [first, first + count) of a matrix that holds several, one below the other.
Linear rows_of(const Linear& fused, int64_t first, int64_t count);

}  // namespace issun::model
