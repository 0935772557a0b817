// The rows of a planned tensor as floats or as bytes, in the order of the file to come.
#pragma once

#include <span>

#include "import/plan.h"

namespace issun::import {

// The type that a tensor gets when the file as a whole is to have `wanted` (nullopt: as stored).
// Vectors, norms, routers and tables of positions stay F32. Error: stored numbers that are no
// floats.
Result<DType> choose_type(const PlannedTensor& tensor, std::optional<DType> wanted);

class RowReader {
 public:
  // Error: as choose_type().
  static Result<RowReader> create(const PlannedTensor& tensor);

  // Whether rows stand in the source as they have to be in a file of that type.
  bool copies(DType type) const;
  // Bytes of rows [first, first + at most count) of one part; for tensors that copies() says so of.
  std::span<const std::byte> bytes(int64_t first, int64_t count) const;
  // Whether rows stand there in another order of bits, which pack() brings into that of the file.
  bool packs(DType type) const;
  // The bytes of row r; for tensors that packs() says so of.
  void pack(int64_t r, std::span<std::byte> out) const;
  // Row r as floats: tensor.columns of them.
  void read(int64_t r, std::span<float> out) const;

 private:
  explicit RowReader(const PlannedTensor& tensor) : tensor_(&tensor) {}
  struct Place {
    const Part* part;
    int64_t row;     // of the stored tensor
    int64_t within;  // of the part
  };
  Place place(int64_t r) const;
  int64_t turned(int64_t r) const;

  const PlannedTensor* tensor_;
  std::vector<int64_t> ends_;  // of the parts, in rows
};

}  // namespace issun::import
