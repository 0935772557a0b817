// Activations to 8 bits: Q8Block.
#pragma once

#include "kernels/formats.inl"
#include "kernels/kernels.h"

namespace issun::kernels {
namespace {

// Blocks whose largest value is below this are zeros: their scales would be denormal.
constexpr float kSmallestActivation = 0x1p-100f;
constexpr int kLargestShift = 5;

// x: 256 floats.
inline void quantise_block(const float* x, Q8Block* block) {
  float group_largest[8], block_largest = 0;
  F32x16 zeros = zero_f32();  // unless a value is infinite or NaN
  for (int g = 0; g < 8; ++g) {
    const F32x16 first = load(x + 32 * g), second = load(x + 32 * g + 16);
    zeros = fma(first, zero_f32(), fma(second, zero_f32(), zeros));
    group_largest[g] = largest(max(abs(first), abs(second)));
    if (group_largest[g] > block_largest) block_largest = group_largest[g];
  }
  __builtin_memset(block, 0, sizeof *block);
  if (sum(zeros) != 0) {  // NaN: and so is every product with this token
    block->base = block->sum_scale = __builtin_nanf("");
    for (float& scale : block->scale) scale = block->base;
    return;
  }
  if (block_largest < kSmallestActivation) return;
  // Group scales are base * 2^shift, the smallest that reaches the largest value of the group.
  const float top_scale = block_largest / 127;
  const float base = top_scale * (1.0f / (1 << kLargestShift));
  block->base = base;
  int32_t sums[8], largest_sum = 0;
  for (int g = 0; g < 8; ++g) {
    int shift = kLargestShift;
    float scale = top_scale;
    while (shift > 0 && group_largest[g] <= scale * 0.5f * 127) scale *= 0.5f, --shift;
    const F32x16 inverse = splat(1 / scale);
    int32_t sum32 = 0;
    for (int h = 0; h < 2; ++h) {
      const int first = 32 * g + 16 * h;
      // The product may round up to beyond 127 by one unit in the last place: that still rounds to
      // 127.
      const I32x16 q = round_to_i32(mul(load(x + first), inverse));
      store_bytes(block->q + first, q);
      const int32_t sum16 = sum(q);
      block->offset16[2 * g + h] = -128 * sum16;
      block->sums16[2 * g + h] = static_cast<int16_t>(-16 * sum16);
      block->factor16[2 * g + h] = static_cast<int16_t>(1 << shift);
      sum32 += sum16;
    }
    block->shift[g] = shift;
    block->offset32[g] = -128 * sum32;
    block->scale[g] = scale;
    block->factor32[g] = static_cast<int16_t>(1 << shift);
    block->factor32[8 + g] = 1;
    constexpr int kPlace[8] = {0, 2, 1, 3, 4, 6, 5, 7};
    __builtin_memcpy(block->q_pairs + 32 * kPlace[g], block->q + 32 * g, 32);
    sums[g] = sum32 * (1 << shift);
    const int32_t size = sums[g] < 0 ? -sums[g] : sums[g];
    if (size > largest_sum) largest_sum = size;
  }
  // At most 32 * 127 * 32: a quarter of it fits into 16 bits.
  const int drop = largest_sum > 32767 ? 2 : 0;
  for (int g = 0; g < 8; ++g)
    block->group_sums[8 + g] = static_cast<int16_t>((sums[g] + drop) >> drop);
  block->sum_scale = base * static_cast<float>(1 << drop);
}

void quantise(const float* x, int columns, void* q8) {
  auto* block = static_cast<Q8Block*>(q8);
  int c = 0;
  for (; c + kUnit <= columns; c += kUnit) quantise_block(x + c, block++);
  if (c < columns) {
    alignas(64) float padded[kUnit] = {};
    __builtin_memcpy(padded, x + c, static_cast<size_t>(columns - c) * sizeof(float));
    quantise_block(padded, block);
  }
}

}  // namespace
}  // namespace issun::kernels
