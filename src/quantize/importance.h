// Importance of columns: what a calibration text put through each matrix. Not here: its files
// (importance_file.h), measuring it (importance_gatherer.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "quantize/importance_file.h"
#include "tensor/tensor.h"

namespace issun::quantize {

struct ColumnWeights;

class Importance {
 public:
  // Of one tensor: (parts, columns) mean squares of what the columns met. Parts are experts.
  struct Entry {
    std::vector<float> values;
    int64_t parts = 1;  // in files of the older form always 1, whatever there are
    int64_t unmet = 0;  // of the parts: those that met nothing, whose columns count alike
  };

  // Of a file in either form. Error: as ImportanceSums.
  static Result<Importance> open(const std::string& path);
  // `name` stands in messages.
  static Result<Importance> parse(std::span<const std::byte> bytes, std::string_view name);
  // `name` stands in messages. Error: a mean that no number can be.
  static Result<Importance> means(const ImportanceSums& sums, std::string_view name);

  // nullptr where the file says nothing of the tensor.
  const Entry* find(std::string_view tensor) const;
  // Of a matrix: what the file says under its name, or, where it is one expert's own tensor, that
  // expert's part of what it says of the stack. None where it says nothing. Error: other columns.
  Result<ColumnWeights> columns_of(const Tensor& matrix) const;
  bool says_of(std::string_view tensor) const;
  const std::map<std::string, Entry, std::less<>>& entries() const { return entries_; }
  const std::vector<std::string>& datasets() const { return datasets_; }
  int64_t chunks() const { return chunks_; }  // of the text; 0: not said

 private:
  std::map<std::string, Entry, std::less<>> entries_;
  std::vector<std::string> datasets_;
  int64_t chunks_ = 0;
};

struct ColumnWeights {
  const Importance::Entry* entry = nullptr;
  const float* values = nullptr;  // (parts, columns), within the entry
  int64_t parts = 1;              // 1, or as many as the tensor has matrices
};

}  // namespace issun::quantize
