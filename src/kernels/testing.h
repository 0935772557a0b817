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

constexpr DType kAllTypes[] = {
    DType::F32,    DType::F16,    DType::BF16,   DType::Q8_0,    DType::Q4_0,  DType::Q4_1,
    DType::Q5_0,   DType::Q5_1,   DType::Q1_0,   DType::Q2_0,    DType::TQ1_0, DType::TQ2_0,
    DType::MXFP4,  DType::NVFP4,  DType::Q2_K,   DType::Q3_K,    DType::Q4_K,  DType::Q5_K,
    DType::Q6_K,   DType::IQ4_NL, DType::IQ4_XS, DType::IQ3_XXS, DType::IQ3_S, DType::IQ2_XXS,
    DType::IQ2_XS, DType::IQ2_S,  DType::IQ1_S,  DType::IQ1_M};

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

// Writes the scales of a block, those that are binary16: d and, where there are two, the second
// one. MXFP4 has the power of two of d; all scales of NVFP4 are finite and stay as they are.
inline void set_scales(DType type, std::byte* block, uint16_t d, uint16_t second) {
  const auto set = [&](int at, uint16_t scale) { std::memcpy(block + at, &scale, 2); };
  switch (type) {
    case DType::Q4_1:
    case DType::Q5_1:
    case DType::Q4_K:
    case DType::Q5_K:
      set(0, d);
      return set(2, second);
    case DType::Q2_K:
      set(80, d);
      return set(82, second);
    case DType::Q3_K:
      return set(108, d);
    case DType::Q6_K:
      return set(208, d);
    case DType::TQ1_0:
      return set(52, d);
    case DType::TQ2_0:
      return set(64, d);
    case DType::IQ1_M:
      for (int i = 0; i < 4; ++i) {
        auto& top = block[49 + 2 * i];
        top = (top & std::byte{15}) | static_cast<std::byte>((d >> 4 * i & 15) << 4);
      }
      return;
    case DType::MXFP4: {
      const int exponent = d >> 10 & 31;
      *block = static_cast<std::byte>(exponent == 0 ? d & 1 : exponent + 113);
      return;
    }
    case DType::NVFP4:
      return;
    default:
      return set(0, d);
  }
}

// Random codes and sub-scales, and scales of about 0.01 with either sign.
inline void randomise_blocks(DType type, std::byte* blocks, int64_t bytes, std::mt19937& random) {
  for (int64_t i = 0; i < bytes; ++i) blocks[i] = static_cast<std::byte>(random());
  const auto scale = [&] {
    return static_cast<uint16_t>(0x1c00 + random() % 0x800 + (random() % 2 << 15));
  };
  for (int64_t at = 0; at < bytes; at += facts(type).bytes) {
    const uint16_t d = scale();
    set_scales(type, blocks + at, d, scale());
  }
}

inline Weights random_weights(DType type, int rows, int columns, std::mt19937& random) {
  Weights w{type, rows, columns, {}, {}};
  const int64_t stride = row_bytes(type, columns);
  w.bytes.resize(static_cast<size_t>(rows * stride) + 2);
  std::normal_distribution<float> normal(0, 0.05f);
  std::vector<float> row(static_cast<size_t>(columns));
  if (!can_encode(type)) randomise_blocks(type, w.bytes.data() + 2, rows * stride, random);
  for (int r = 0; r < rows && can_encode(type); ++r) {
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
