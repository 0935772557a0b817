// Matrix products with F32 activations: weights decoded exactly, products and sums in F32.
#pragma once

#include "kernels/decode.inl"
#include "kernels/kernels.h"
#include "kernels/panel_q8.inl"

namespace issun::kernels {
namespace {

inline const float* float_row(const LinearTask& task, int token) {
  return reinterpret_cast<const float*>(static_cast<const char*>(task.activations) +
                                        token * task.activation_stride);
}

inline const uint8_t* bytes_of(const float* p) { return reinterpret_cast<const uint8_t*>(p); }

// One row at a time, as dot_q8.inl says; two sums for each token, since a product waits for the sum
// before it.
template <int kTokens>
struct FloatSums {
  F32x16 even[kTokens], odd[kTokens];
};

// sums += rows . tokens over `columns` columns; ahead: as ask_ahead has it.
template <class Format, int kRows, int kTokens>
__attribute__((always_inline)) inline void dot_floats(const uint8_t* const (&rows)[kRows],
                                                      const float* const (&tokens)[kTokens],
                                                      int columns, int64_t ahead,
                                                      FloatSums<kTokens> (&sums)[kRows]) {
  int c = 0;
  for (; c + 32 <= columns; c += 32) {
    F32x16 first[kTokens], second[kTokens];
    for (int t = 0; t < kTokens; ++t)
      first[t] = load(tokens[t] + c), second[t] = load(tokens[t] + c + 16);
    for (int r = 0; r < kRows; ++r) {
      ask_ahead<32 * Format::kBytes>(rows[r] + c * Format::kBytes, ahead);
      const F32x16 low = Format::load16(rows[r] + c * Format::kBytes);
      const F32x16 high = Format::load16(rows[r] + (c + 16) * Format::kBytes);
      for (int t = 0; t < kTokens; ++t) {
        sums[r].even[t] = fma(low, first[t], sums[r].even[t]);
        sums[r].odd[t] = fma(high, second[t], sums[r].odd[t]);
      }
    }
  }
  for (; c < columns; c += 16) {
    const int n = columns - c < 16 ? columns - c : 16;
    for (int r = 0; r < kRows; ++r) {
      uint8_t tail[16 * Format::kBytes] = {};
      __builtin_memcpy(tail, rows[r] + c * Format::kBytes, static_cast<size_t>(n * Format::kBytes));
      const F32x16 w = Format::load16(tail);
      for (int t = 0; t < kTokens; ++t)
        sums[r].even[t] = fma(w, load_first(tokens[t] + c, n), sums[r].even[t]);
    }
  }
}

// Rows of floats, read in place.
template <class Format>
struct FloatRows {
  int64_t ahead;                                // as ask_ahead has it
  static constexpr int kStreams = kDotStreams;  // for one token
  template <int kRows, int kTokens>
  __attribute__((always_inline)) void dot(const uint8_t* const (&rows)[kRows],
                                          const float* const (&tokens)[kTokens], int columns,
                                          FloatSums<kTokens> (&sums)[kRows]) const {
    dot_floats<Format, kRows, kTokens>(rows, tokens, columns, ahead, sums);
  }
};

// Rows of blocks, 256 weights decoded at a time.
struct DecodedRows {
  const Decoder& format;
  static constexpr int kStreams = 1;
  template <int kRows, int kTokens>
  __attribute__((always_inline)) void dot(const uint8_t* const (&rows)[kRows],
                                          const float* const (&first)[kTokens], int columns,
                                          FloatSums<kTokens> (&sums)[kRows]) const {
    static_assert(kRows == 1);
    alignas(64) float decoded[kUnit];
    const uint8_t* row = rows[0];
    const uint8_t* const decoded_rows[1] = {bytes_of(decoded)};
    const float* tokens[kTokens];
    for (int t = 0; t < kTokens; ++t) tokens[t] = first[t];
    for (int c = 0; c < columns; c += kUnit, row += format.unit_bytes) {
      const int some = columns - c < kUnit ? columns - c : kUnit;
      format.decode(row, some, decoded);
      dot_floats<F32, 1, kTokens>(decoded_rows, tokens, some, 0, sums);
      for (int t = 0; t < kTokens; ++t) tokens[t] += some;
    }
  }
};

// kStreams rows at a time, as dot_q8_rows has them.
template <int kTokens, int kStreams, class Rows>
void dot_f32_streams(const LinearTask& task, const Rows& rows, int64_t first_row,
                     int64_t rows_apart, int64_t count, int token) {
  for (int64_t r = first_row; r < first_row + count; ++r) {
    const uint8_t* row[kStreams];
    const float* tokens[kTokens];
    FloatSums<kTokens> sums[kStreams];
    for (int t = 0; t < kTokens; ++t) tokens[t] = float_row(task, token + t);
    for (int s = 0; s < kStreams; ++s) {
      row[s] = static_cast<const uint8_t*>(task.weights) + (r + s * rows_apart) * task.row_bytes;
      for (int t = 0; t < kTokens; ++t) sums[s].even[t] = sums[s].odd[t] = zero_f32();
    }
    rows.dot(row, tokens, task.columns, sums);
    for (int s = 0; s < kStreams; ++s)
      for (int t = 0; t < kTokens; ++t)
        task.out[(token + t) * task.out_stride + r + s * rows_apart] =
            sum(add(sums[s].even[t], sums[s].odd[t]));
  }
}

template <int kTokens, class Rows>
void dot_f32_tokens(const LinearTask& task, const Rows& rows, int64_t row_begin, int64_t row_end,
                    int token) {
  constexpr int kStreams = kTokens == 1 ? Rows::kStreams : 1;
  int64_t done = row_begin;
  if constexpr (kStreams > 1) {
    const int64_t apart = (row_end - row_begin) / kStreams;
    dot_f32_streams<kTokens, kStreams>(task, rows, row_begin, apart, apart, token);
    done += kStreams * apart;
  }
  dot_f32_streams<kTokens, 1>(task, rows, done, 0, row_end - done, token);
}

template <class Rows>
ISSUN_SHARED void dot_f32_rows(const LinearTask& task, const Rows& rows, int64_t row_begin,
                               int64_t row_end) {
  int t = 0;
  for (; t + 4 <= task.tokens; t += 4) dot_f32_tokens<4>(task, rows, row_begin, row_end, t);
  for (; t + 2 <= task.tokens; t += 2) dot_f32_tokens<2>(task, rows, row_begin, row_end, t);
  if (t < task.tokens) dot_f32_tokens<1>(task, rows, row_begin, row_end, t);
}

template <class Format>
void dot_f32(const LinearTask* task, int64_t row_begin, int64_t row_end, void*) {
  if constexpr (kIsFloat<Format>)
    dot_f32_rows(*task, FloatRows<Format>{task->read_ahead}, row_begin, row_end);
  else
    dot_f32_rows(*task, DecodedRows{kDecoder<Format>}, row_begin, row_end);
}

// acc[v][t] += numbers [16 v, 16 v + 16) of panel row c times the token's value c, for `columns`
// rows of a panel that lie `row_bytes` apart. Also how attention multiplies.
template <class Format, int kVectors, int kTokens>
__attribute__((always_inline)) inline void outer_products(const uint8_t* panel, int64_t row_bytes,
                                                          const float* const (&tokens)[kTokens],
                                                          int columns,
                                                          F32x16 (&acc)[kVectors][kTokens]) {
  for (int c = 0; c < columns; ++c, panel += row_bytes) {
    F32x16 w[kVectors];
    for (int v = 0; v < kVectors; ++v) w[v] = Format::load16(panel + 16 * v * Format::kBytes);
    for (int t = 0; t < kTokens; ++t) {
      const F32x16 x = splat(tokens[t][c]);
      for (int v = 0; v < kVectors; ++v) acc[v][t] = fma(w[v], x, acc[v][t]);
    }
  }
}

template <int kTokens>
void multiply_f32(const float* panel, int columns, const float* first, int64_t stride,
                  float* sums) {
  const float* tokens[kTokens];
  F32x16 acc[kTileVectors][kTokens];
  for (int t = 0; t < kTokens; ++t) {
    tokens[t] = reinterpret_cast<const float*>(reinterpret_cast<const char*>(first) + t * stride);
    for (int v = 0; v < kTileVectors; ++v) acc[v][t] = load(sums + t * kPanelRows + 16 * v);
  }
  outer_products<F32, kTileVectors, kTokens>(bytes_of(panel), kPanelRows * 4, tokens, columns, acc);
  for (int t = 0; t < kTokens; ++t)
    for (int v = 0; v < kTileVectors; ++v) store(sums + t * kPanelRows + 16 * v, acc[v][t]);
}

struct PanelScratchF32 {
  alignas(64) float decoded[16][kUnit];
  alignas(64) float panel[kUnit * kPanelRows];  // (columns, kPanelRows)
  alignas(64) float sums[kPanelTokens * kPanelRows];
};

// 16 rows of at most 256 columns into lanes [16 v, 16 v + 16) of the panel.
inline void unpack_f32(const Decoder& format, const uint8_t* from, int64_t stride, int rows,
                       int columns, int v, PanelScratchF32& scratch) {
  for (int r = 0; r < 16; ++r)
    format.decode(from + (r < rows ? r : rows - 1) * stride, columns, scratch.decoded[r]);
  for (int c = 0; c < columns; c += 16) {
    F32x16 m[16];
    for (int r = 0; r < 16; ++r) m[r] = load(scratch.decoded[r] + c);
    transpose(m);
    for (int i = 0; i < 16; ++i) store(scratch.panel + (c + i) * kPanelRows + 16 * v, m[i]);
  }
}

ISSUN_SHARED void panel_f32_rows(const LinearTask& task, const Decoder& format, int64_t row_begin,
                                 int64_t row_end, void* memory) {
  static_assert(sizeof(PanelScratchF32) <= kScratchBytes);
  auto& scratch = *static_cast<PanelScratchF32*>(memory);
  for (int token = 0; token < task.tokens; token += kPanelTokens) {
    const int tokens = task.tokens - token < kPanelTokens ? task.tokens - token : kPanelTokens;
    for (int64_t row = row_begin; row < row_end; row += kPanelRows) {
      const int rows = row_end - row < kPanelRows ? static_cast<int>(row_end - row) : kPanelRows;
      const uint8_t* from = static_cast<const uint8_t*>(task.weights) + row * task.row_bytes;
      touch(from, rows * task.row_bytes);
      __builtin_memset(scratch.sums, 0, sizeof(float) * static_cast<size_t>(tokens * kPanelRows));
      for (int c = 0; c < task.columns; c += kUnit, from += format.unit_bytes) {
        const int columns = task.columns - c < kUnit ? task.columns - c : kUnit;
        for (int v = 0; v < kTileVectors && 16 * v < rows; ++v)
          unpack_f32(format, from + 16 * v * task.row_bytes, task.row_bytes,
                     rows - 16 * v < 16 ? rows - 16 * v : 16, columns, v, scratch);
        int t = 0;
        for (; t + kTileTokens <= tokens; t += kTileTokens)
          multiply_f32<kTileTokens>(scratch.panel, columns, float_row(task, token + t) + c,
                                    task.activation_stride, scratch.sums + t * kPanelRows);
        for (; t < tokens; ++t)
          multiply_f32<1>(scratch.panel, columns, float_row(task, token + t) + c,
                          task.activation_stride, scratch.sums + t * kPanelRows);
      }
      store_panel(scratch.sums, task, row, rows, token, tokens);
    }
  }
}

template <class Format>
void panel_f32(const LinearTask* task, int64_t row_begin, int64_t row_end, void* memory) {
  panel_f32_rows(*task, kDecoder<Format>, row_begin, row_end, memory);
}

}  // namespace
}  // namespace issun::kernels
