// Views of numbers that live elsewhere: a named tensor of the file, and a dense matrix.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "tensor/dtype.h"

namespace issun {

// A tensor of a model file, seen in place. size[0] is the row length (contiguous), as GGUF writes
// it.
struct Tensor {
  std::string_view name;
  DType type = DType::F32;
  std::array<int64_t, 4> size{1, 1, 1, 1};
  const std::byte* data = nullptr;  // nullptr: there is no such tensor

  explicit operator bool() const { return data != nullptr; }
  int64_t columns() const { return size[0]; }
  int64_t rows() const { return size[1] * size[2] * size[3]; }
  int64_t row_bytes() const { return issun::row_bytes(type, size[0]); }
  int64_t bytes() const { return rows() * row_bytes(); }
  const std::byte* row(int64_t r) const { return data + r * row_bytes(); }
  // An F32 tensor's numbers.
  const float* floats() const {
    CHECK_THAT(type == DType::F32);
    return reinterpret_cast<const float*>(data);
  }
};

// rows x columns numbers, row after row, `stride` elements from one row to the next.
template <class T>
struct Matrix {
  T* data = nullptr;
  int64_t rows = 0, columns = 0, stride = 0;

  Matrix() = default;
  Matrix(T* d, int64_t r, int64_t c) : data(d), rows(r), columns(c), stride(c) {}
  Matrix(T* d, int64_t r, int64_t c, int64_t s) : data(d), rows(r), columns(c), stride(s) {}
  T* row(int64_t r) const { return data + r * stride; }
};

}  // namespace issun
