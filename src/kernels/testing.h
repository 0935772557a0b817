// What the tests of the kernels share: random rows of every format, and products in double
// precision.
#pragma once

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/dispatch.h"
#include "kernels/linear.h"
#include "tensor/codec.h"

namespace issun::kernels::testing {

constexpr DType kAllTypes[] = {DType::F32,  DType::F16,  DType::BF16, DType::Q8_0,
                               DType::Q4_0, DType::Q4_K, DType::Q5_K, DType::Q6_K};

inline bool is_float(DType type) { return facts(type).block == 1; }

// Rows of weights as bytes and as what the codec makes of them. The bytes start two bytes off a
// cache line, as they may in a file, and end where the buffer ends, so that a sanitizer sees what
// is read beyond.
struct Weights {
  DType type;
  int rows, columns;
  std::vector<std::byte> bytes;
  std::vector<float> values;

  const std::byte* data() const { return bytes.data() + 2; }
  Tensor tensor() const {
    return {.name = "test", .type = type, .size = {columns, rows, 1, 1}, .data = data()};
  }
  const float* row(int r) const { return values.data() + int64_t{r} * columns; }
};

inline void decode(Weights& w) {
  w.values.resize(static_cast<size_t>(w.rows) * static_cast<size_t>(w.columns));
  for (int r = 0; r < w.rows; ++r)
    decode_row(w.type, w.data() + r * row_bytes(w.type, w.columns), w.columns,
               w.values.data() + int64_t{r} * w.columns);
}

inline Weights random_weights(DType type, int rows, int columns, std::mt19937& random) {
  Weights w{type, rows, columns, {}, {}};
  const int64_t stride = row_bytes(type, columns);
  w.bytes.resize(static_cast<size_t>(rows * stride) + 2);
  std::normal_distribution<float> normal(0, 0.05f);
  std::vector<float> row(static_cast<size_t>(columns));
  for (int r = 0; r < rows; ++r) {
    for (float& x : row) x = normal(random);
    encode_row(type, row.data(), columns, w.bytes.data() + 2 + r * stride);
  }
  decode(w);
  return w;
}

inline std::vector<float> random_floats(int64_t n, std::mt19937& random, float deviation = 1) {
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> v(static_cast<size_t>(n));
  for (float& x : v) x = normal(random);
  return v;
}

struct Exact {
  double value, size;  // size: the sum of the products' magnitudes, what rounding errors scale with
};
inline Exact dot_exactly(const float* w, const float* x, int n) {
  Exact e{0, 0};
  for (int i = 0; i < n; ++i) {
    const double product = double{w[i]} * double{x[i]};
    e.value += product;
    e.size += std::fabs(product);
  }
  return e;
}

// The same rows, in 64-byte aligned memory, quantised by a table, and what the 8-bit values stand
// for.
struct Prepared {
  AlignedBuffer buffer;
  std::vector<float> meant;
  int tokens, columns;

  Prepared(const KernelTable& table, const std::vector<float>& rows, int token_count,
           int column_count)
      : tokens(token_count), columns(column_count) {
    buffer = std::move(*AlignedBuffer::create(q8_bytes(columns) * tokens));
    meant.resize(rows.size());
    for (int t = 0; t < tokens; ++t) {
      table.quantise(rows.data() + int64_t{t} * columns, columns,
                     buffer.data() + q8_bytes(columns) * t);
      for (int c = 0; c < columns; ++c) {
        const Q8Block& b = block(t, c / 256);
        meant[static_cast<size_t>(t) * static_cast<size_t>(columns) + static_cast<size_t>(c)] =
            b.scale[c % 256 / 32] * static_cast<float>(b.q[c % 256]);
      }
    }
  }
  const Q8Block& block(int t, int b) const {
    return *reinterpret_cast<const Q8Block*>(buffer.data() + q8_bytes(columns) * t +
                                             b * static_cast<int64_t>(sizeof(Q8Block)));
  }
  const float* row(int t) const { return meant.data() + int64_t{t} * columns; }
};

}  // namespace issun::kernels::testing
