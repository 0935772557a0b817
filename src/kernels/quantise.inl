// Activations to 8 bits: Q8Block.
#pragma once

#include "kernels/formats.inl"
#include "kernels/kernels.h"

namespace issun::kernels {
namespace {

// Blocks whose largest value is below this are zeros: their scales would be denormal.
constexpr float kSmallestActivation = 0x1p-100f;

// x: 256 floats.
inline void quantise_block(const float* x, Q8Block* block) {
  float group_largest[4], block_largest = 0;
  F32x16 zeros = zero_f32();  // unless a value is infinite or NaN
  for (int g = 0; g < 4; ++g) {
    F32x16 most = zero_f32();
    for (int i = 0; i < 64; i += 16) {
      const F32x16 values = load(x + 64 * g + i);
      zeros = fma(values, zero_f32(), zeros);
      most = max(most, abs(values));
    }
    group_largest[g] = largest(most);
    if (group_largest[g] > block_largest) block_largest = group_largest[g];
  }
  __builtin_memset(block, 0, sizeof *block);
  if (sum(zeros) != 0) {  // NaN: and so is every product with this token
    block->base = block->sum_scale = __builtin_nanf("");
    for (float& scale : block->scale) scale = block->base;
    return;
  }
  if (block_largest < kSmallestActivation) return;
  const float base = block_largest * (1.0f / (127 * kMostFactor));
  const float per_factor = 1 / (127 * base);
  block->base = base;
  int32_t sums[8], largest_sum = 0;
  for (int g = 0; g < 4; ++g) {
    // The smallest factor that reaches the largest value of the group.
    const float reached = group_largest[g] * per_factor;
    int factor = static_cast<int>(reached);
    if (static_cast<float>(factor) < reached) ++factor;
    factor = factor < 1 ? 1 : factor > kMostFactor ? kMostFactor : factor;
    const float scale = base * static_cast<float>(factor);
    const F32x16 inverse = splat(1 / scale);
    for (int half = 2 * g; half < 2 * g + 2; ++half) {
      int32_t sum32 = 0;
      for (int sixteen = 2 * half; sixteen < 2 * half + 2; ++sixteen) {
        // The product may round up to beyond 127 by some units in the last place: that still rounds
        // to 127.
        const I32x16 q = round_to_i32(mul(load(x + 16 * sixteen), inverse));
        store_bytes(block->q + 16 * sixteen, q);
        const int32_t sum16 = sum(q);
        block->offset16[sixteen] = -128 * sum16;
        block->sums16[sixteen] = static_cast<int16_t>(-16 * sum16);
        block->factor16[sixteen] = static_cast<int16_t>(factor);
        sum32 += sum16;
      }
      block->scale[half] = scale;
      block->offset32[half] = -128 * sum32;
      block->factor32[half] = static_cast<int16_t>(factor);
      block->factor32[8 + half] = 1;
      constexpr int kPlace[8] = {0, 2, 1, 3, 4, 6, 5, 7};
      __builtin_memcpy(block->q_pairs + 32 * kPlace[half], block->q + 32 * half, 32);
      sums[half] = sum32 * factor;
      const int32_t size = sums[half] < 0 ? -sums[half] : sums[half];
      if (size > largest_sum) largest_sum = size;
    }
  }
  // At most 32 * 127 * 63: an eighth of it fits into 16 bits.
  int drop = 0;
  while ((largest_sum >> drop) > 32763) ++drop;
  for (int g = 0; g < 8; ++g)
    block->group_sums[8 + g] = static_cast<int16_t>((sums[g] + (1 << drop >> 1)) >> drop);
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

// The scales of the activations in the lanes of the groups of weights, zeros above them.
template <class Format>
inline F32x16 activation_scales(const Q8Block& block) {
  const F32x16 eight = load_first8(block.scale);
  return Format::kGroup == 32 ? eight : spread<2>(eight);
}

}  // namespace
}  // namespace issun::kernels
