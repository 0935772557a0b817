// Few tokens: rows of weights straight from the file's blocks against 8-bit activations.
// One row at a time: the processor reads ahead in one stream of bytes, not in several short ones
// (Q8_0, 2048 columns, from memory, one core: 30 GB/s against 9 with four rows side by side).
#pragma once

#include "kernels/formats.inl"
#include "kernels/kernels.h"
#include "kernels/quantise.inl"

namespace issun::kernels {
namespace {

// The sums of one row against kTokens tokens so far.
template <int kTokens>
struct DotSums {
  F32x16 products[kTokens];
  F32x8 offsets[kTokens];
};

// sums - what the activations of each group add up to times the offset of its weights.
template <class Format, int kTokens>
__attribute__((always_inline)) inline void subtract_float_mins(
    const uint8_t* unit, const Q8Block* const (&blocks)[kTokens], DotSums<kTokens>& sums) {
  const F32x16 mins = mul(Format::mins(unit), splat(1.0f / 128));
  for (int t = 0; t < kTokens; ++t) {
    // Groups of 32 have eight sums; what is loaded beside them meets scales of zero.
    const I32x16 offsets = load(Format::kGroup == 32 ? blocks[t]->offset32 : blocks[t]->offset16);
    sums.products[t] =
        fma(to_f32(offsets), mul(mins, activation_scales<Format>(*blocks[t])), sums.products[t]);
  }
}

// Group scales are floats.
template <class Format, int kTokens>
__attribute__((always_inline)) inline void dot_floats_scales(
    const uint8_t* unit, const Q8Block* const (&blocks)[kTokens], DotSums<kTokens>& sums) {
  F32x16 scale[kTokens];
  const F32x16 weight_scale = Format::scales(unit);
  for (int t = 0; t < kTokens; ++t)
    scale[t] = mul(weight_scale, activation_scales<Format>(*blocks[t]));
  if constexpr (Format::kMins == Mins::kFloats)
    subtract_float_mins<Format, kTokens>(unit, blocks, sums);
  unrolled<4>([&]<int c>() __attribute__((always_inline)) {
    const auto w = Format::template weights<c>(unit);
    for (int t = 0; t < kTokens; ++t)
      sums.products[t] = add_scaled<Format::kGroup / 4, 64 / Format::kGroup * c, Format::kZero>(
          sums.products[t], w, load(blocks[t]->q + 64 * c), scale[t]);
  });
}

// Group scales are a number times small integers: everything of a unit is added up in integers.
// Largest values, for Q6_K: 63 * 127 * 2 in a pair, times 128 * kMostFactor, times 2, times 4
// chunks: 1.03e9, and as much again for what stands for zero. Without it weights are -32..31: all
// chunks of four lanes together are 32 * 127 * 128 * kMostFactor * 64 = 2.097e9, which fits.
template <class Format, int kTokens>
__attribute__((always_inline)) inline void dot_integer_scales(
    const uint8_t* unit, const Q8Block* const (&blocks)[kTokens], DotSums<kTokens>& sums) {
  constexpr bool kIntegerMins = Format::kMins == Mins::kIntegers;
  const I16x16 integers = Format::integers(unit);
  I16x16 scale[kTokens];
  I32x16 d[kTokens];
  F32x4 factors[kTokens];  // of the scales and of the mins
  for (int t = 0; t < kTokens; ++t) {
    scale[t] =
        mul(integers, load_half(Format::kGroup == 32 ? blocks[t]->factor32 : blocks[t]->factor16));
    d[t] = zero_i32();
    if constexpr (kIntegerMins) {
      factors[t] = mul(two_halves(unit), load_f32x4(&blocks[t]->base));
      sums.offsets[t] =
          add_scaled(sums.offsets[t], dot2(integers, load_half(blocks[t]->group_sums)),
                     splat_second(factors[t]));
    }
    // sums16 are 16 times too much.
    if constexpr (Format::kZero == 32)
      d[t] = scaled_low<1>(dot2(scale[t], load_half(blocks[t]->sums16)));
    if constexpr (Format::kZero == 4)
      d[t] = scaled_low<-2>(dot2(scale[t], load_half(blocks[t]->sums16)));
  }
  if constexpr (Format::kMins == Mins::kFloats)
    subtract_float_mins<Format, kTokens>(unit, blocks, sums);
  unrolled<2>([&]<int h>() __attribute__((always_inline)) {
    U8x64 w[2];
    Format::template halves<h>(unit, w);
    unrolled<2>([&]<int i>() __attribute__((always_inline)) {
      for (int t = 0; t < kTokens; ++t) {
        constexpr int c = 2 * h + i, g = 4 * h + i;
        const I8x64 a = load((Format::kGroup == 32 ? blocks[t]->q_pairs : blocks[t]->q) + 64 * c);
        if constexpr (Format::kGroup == 32)
          d[t] = add_scaled<g, g, g + 2, g + 2>(d[t], w[i], a, scale[t]);
        else
          d[t] = add_scaled<4 * c, 4 * c + 1, 4 * c + 2, 4 * c + 3>(d[t], w[i], a, scale[t]);
      }
    });
  });
  for (int t = 0; t < kTokens; ++t) {
    const F32x16 factor =
        kIntegerMins ? splat_first(factors[t]) : splat(Format::scale(unit) * blocks[t]->base);
    sums.products[t] = add_scaled(sums.products[t], d[t], factor);
  }
}

template <class Format, int kTokens>
__attribute__((always_inline)) inline void dot_unit(const uint8_t* unit,
                                                    const Q8Block* const (&blocks)[kTokens],
                                                    DotSums<kTokens>& sums) {
  if constexpr (Format::kIntegerScales)
    dot_integer_scales<Format, kTokens>(unit, blocks, sums);
  else
    dot_floats_scales<Format, kTokens>(unit, blocks, sums);
}

// kStreams rows at a time, rows_apart rows from one to the next. Each is a long stream of memory of
// its own: while one waits at the end of a page the others go on.
template <class Format, int kTokens, int kStreams>
void dot_q8_rows(const LinearTask& task, int64_t first_row, int64_t rows_apart, int64_t rows,
                 int token) {
  const uint8_t* row[kStreams];
  for (int s = 0; s < kStreams; ++s)
    row[s] =
        static_cast<const uint8_t*>(task.weights) + (first_row + s * rows_apart) * task.row_bytes;
  for (int64_t r = first_row; r < first_row + rows; ++r) {
    const Q8Block* blocks[kTokens];
    DotSums<kTokens> sums[kStreams];
    const uint8_t* unit[kStreams];
    for (int t = 0; t < kTokens; ++t)
      blocks[t] = reinterpret_cast<const Q8Block*>(static_cast<const uint8_t*>(task.activations) +
                                                   (token + t) * task.activation_stride);
    for (int s = 0; s < kStreams; ++s) {
      unit[s] = row[s];
      for (int t = 0; t < kTokens; ++t) {
        sums[s].products[t] = zero_f32();
        sums[s].offsets[t] = zero_f32x8();
      }
    }
    for (int n = task.columns / kUnit; n > 0; --n) {
      for (int s = 0; s < kStreams; ++s) {
        ask_ahead<kUnitBytes<Format>>(unit[s], task.read_ahead);
        dot_unit<Format, kTokens>(unit[s], blocks, sums[s]);
        unit[s] += kUnitBytes<Format>;
      }
      for (int t = 0; t < kTokens; ++t) ++blocks[t];
    }
    for (int s = 0; s < kStreams; ++s) {
      if constexpr (Format::kBlock < kUnit)
        if (task.columns % kUnit != 0) {
          const TailUnit<Format> tail(unit[s], task.columns % kUnit);
          dot_unit<Format, kTokens>(tail.bytes, blocks, sums[s]);
        }
      for (int t = 0; t < kTokens; ++t) {
        float result = sum(sums[s].products[t]);
        if constexpr (Format::kMins == Mins::kIntegers) result -= sum(sums[s].offsets[t]);
        task.out[(token + t) * task.out_stride + r + s * rows_apart] = result;
      }
      row[s] += task.row_bytes;
    }
  }
}

template <class Format, int kTokens>
void dot_q8_tokens(const LinearTask& task, int64_t row_begin, int64_t row_end, int token) {
  // From memory that two cores share, llama-3.2-1b Q4_K_M: 27.6 -> 31.1 tokens/s; 8 streams are
  // slower.
  constexpr int kStreams = kTokens == 1 ? kDotStreams : 1;
  int64_t done = row_begin;
  if constexpr (kStreams > 1) {
    const int64_t apart = (row_end - row_begin) / kStreams;
    dot_q8_rows<Format, kTokens, kStreams>(task, row_begin, apart, apart, token);
    done += kStreams * apart;
  }
  dot_q8_rows<Format, kTokens, 1>(task, done, 0, row_end - done, token);
}

template <class Format>
void dot_q8(const LinearTask* task, int64_t row_begin, int64_t row_end, void*) {
  int t = 0;
  if constexpr (kDotTokens >= 4)
    for (; t + 4 <= task->tokens; t += 4) dot_q8_tokens<Format, 4>(*task, row_begin, row_end, t);
  if constexpr (kDotTokens >= 2)
    for (; t + 2 <= task->tokens; t += 2) dot_q8_tokens<Format, 2>(*task, row_begin, row_end, t);
  for (; t < task->tokens; ++t) dot_q8_tokens<Format, 1>(*task, row_begin, row_end, t);
}

// The rare formats, whose units are unpacked one by one.
template <int kTokens>
void dot_unpacked_tokens(const LinearTask& task, const Unpacker& format, int64_t row_begin,
                         int64_t row_end, int token) {
  const auto* row = static_cast<const uint8_t*>(task.weights) + row_begin * task.row_bytes;
  for (int64_t r = row_begin; r < row_end; ++r, row += task.row_bytes) {
    const Q8Block* blocks[kTokens];
    DotSums<kTokens> sums;
    for (int t = 0; t < kTokens; ++t) {
      blocks[t] = reinterpret_cast<const Q8Block*>(static_cast<const uint8_t*>(task.activations) +
                                                   (token + t) * task.activation_stride);
      sums.products[t] = zero_f32();
    }
    const uint8_t* unit = row;
    for (int c = 0; c < task.columns; c += kUnit, unit += format.unit_bytes) {
      UnpackedUnit unpacked;
      format.unpack(unit, task.columns - c, &unpacked);
      dot_unit<Unpacked, kTokens>(reinterpret_cast<const uint8_t*>(&unpacked), blocks, sums);
      for (int t = 0; t < kTokens; ++t) ++blocks[t];
    }
    for (int t = 0; t < kTokens; ++t)
      task.out[(token + t) * task.out_stride + r] = sum(sums.products[t]);
  }
}

ISSUN_SHARED void dot_unpacked(const LinearTask& task, const Unpacker& format, int64_t row_begin,
                               int64_t row_end) {
  int t = 0;
  if constexpr (kDotTokens >= 4)
    for (; t + 4 <= task.tokens; t += 4)
      dot_unpacked_tokens<4>(task, format, row_begin, row_end, t);
  if constexpr (kDotTokens >= 2)
    for (; t + 2 <= task.tokens; t += 2)
      dot_unpacked_tokens<2>(task, format, row_begin, row_end, t);
  for (; t < task.tokens; ++t) dot_unpacked_tokens<1>(task, format, row_begin, row_end, t);
}

template <class Format>
void dot_unpacked(const LinearTask* task, int64_t row_begin, int64_t row_end, void*) {
  dot_unpacked(*task, kUnpacker<Format>, row_begin, row_end);
}

}  // namespace
}  // namespace issun::kernels
