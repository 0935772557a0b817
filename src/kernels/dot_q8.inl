// Few tokens: rows of weights straight from the file's blocks against 8-bit activations.
#pragma once

#include "kernels/formats.inl"
#include "kernels/kernels.h"

namespace issun::kernels {
namespace {

// Adds one unit of kRows rows against kTokens tokens. Lanes hold four columns each.
template <class Format, int kRows, int kTokens>
__attribute__((always_inline)) inline void dot_unit(const uint8_t* const (&units)[kRows],
                                                    const Q8Block* const (&blocks)[kTokens],
                                                    F32x16 (&acc)[kRows][kTokens],
                                                    F32x16 (&offsets)[kRows][kTokens]) {
  constexpr int kGroups = 64 / Format::kGroup;  // in 64 columns
  F32x16 scale[kRows][kTokens];
  for (int r = 0; r < kRows; ++r) {
    const F32x16 weight_scale = Format::scales(units[r]);
    for (int t = 0; t < kTokens; ++t) {
      // scale and sum are neighbours: with mins, the upper half becomes offset * sum.
      const F32x16 token_scale =
          Format::kGroup == 16 ? twice(blocks[t]->scale) : load(blocks[t]->scale);
      scale[r][t] = mul(weight_scale, token_scale);
      if constexpr (Format::kMins) offsets[r][t] = add(offsets[r][t], scale[r][t]);
    }
  }
  unrolled<4>([&]<int c>() __attribute__((always_inline)) {
    for (int t = 0; t < kTokens; ++t) {
      const I8x64 a = load(blocks[t]->q + 64 * c);
      // What stands for zero is taken off each lane, so that zero weights give exactly zero.
      I32x16 start = zero_i32();
      constexpr int kZero = Format::kSigned && kWideDot ? 128 : Format::kZero;
      if constexpr (kZero != 0) start = sub(start, dot4(start, splat_bytes(kZero), a));
      for (int r = 0; r < kRows; ++r) {
        const auto w = Format::template weights<c>(units[r]);
        I32x16 d;
        if constexpr (Format::kSigned && kWideDot)
          d = dot4(start, plus<-128>(as_unsigned(w)), a);
        else
          d = dot4(start, w, a);
        acc[r][t] = fma(to_f32(d), spread<Format::kGroup / 4, kGroups * c>(scale[r][t]), acc[r][t]);
      }
    }
  });
}

template <class Format, int kRows, int kTokens>
void dot_q8_tile(const LinearTask& task, int64_t row, int token) {
  const uint8_t* units[kRows];
  const Q8Block* blocks[kTokens];
  F32x16 acc[kRows][kTokens], offsets[kRows][kTokens];
  for (int r = 0; r < kRows; ++r)
    units[r] = static_cast<const uint8_t*>(task.weights) + (row + r) * task.row_bytes;
  for (int t = 0; t < kTokens; ++t)
    blocks[t] = reinterpret_cast<const Q8Block*>(static_cast<const uint8_t*>(task.activations) +
                                                 (token + t) * task.activation_stride);
  for (int r = 0; r < kRows; ++r)
    for (int t = 0; t < kTokens; ++t) acc[r][t] = offsets[r][t] = zero_f32();
  for (int unit = task.columns / kUnit; unit > 0; --unit) {
    dot_unit<Format, kRows, kTokens>(units, blocks, acc, offsets);
    for (int r = 0; r < kRows; ++r) units[r] += kUnitBytes<Format>;
    for (int t = 0; t < kTokens; ++t) ++blocks[t];
  }
  if constexpr (Format::kBlock < kUnit) {
    if (task.columns % kUnit != 0) {
      for (int r = 0; r < kRows; ++r) {
        const TailUnit<Format> tail(units[r], task.columns % kUnit);
        const uint8_t* const one[1] = {tail.bytes};
        for (int t = 0; t < kTokens; ++t) {
          const Q8Block* const block[1] = {blocks[t]};
          F32x16 a[1][1] = {{acc[r][t]}}, o[1][1] = {{offsets[r][t]}};
          dot_unit<Format, 1, 1>(one, block, a, o);
          acc[r][t] = a[0][0];
        }
      }
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int t = 0; t < kTokens; ++t) {
      float result = sum(acc[r][t]);
      if constexpr (Format::kMins) result -= sum(choose_range(8, 16, offsets[r][t], zero_f32()));
      task.out[(token + t) * task.out_stride + row + r] = result;
    }
}

template <class Format, int kTokens>
void dot_q8_tokens(const LinearTask& task, int64_t row_begin, int64_t row_end, int token) {
  constexpr int kRows = kTokens == 1 ? 4 : 2;
  int64_t r = row_begin;
  for (; r + kRows <= row_end; r += kRows) dot_q8_tile<Format, kRows, kTokens>(task, r, token);
  for (; r < row_end; ++r) dot_q8_tile<Format, 1, kTokens>(task, r, token);
}

template <class Format>
void dot_q8(const LinearTask* task, int64_t row_begin, int64_t row_end, void*) {
  int t = 0;
  for (; t + 4 <= task->tokens; t += 4) dot_q8_tokens<Format, 4>(*task, row_begin, row_end, t);
  if (task->tokens - t == 3) dot_q8_tokens<Format, 3>(*task, row_begin, row_end, t);
  if (task->tokens - t == 2) dot_q8_tokens<Format, 2>(*task, row_begin, row_end, t);
  if (task->tokens - t == 1) dot_q8_tokens<Format, 1>(*task, row_begin, row_end, t);
}

}  // namespace
}  // namespace issun::kernels
