#include "quantize/gain.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "tensor/blocks.h"
#include "tensor/codec.h"
#include "tensor/half.h"

namespace issun::quantize {

namespace {

constexpr double kShare = 0.75, kMost = 0.12;
constexpr int kSuperBlock = 256;

uint16_t scaled(uint16_t half, float gain) {
  const float number = f16_to_f32(half) * gain;
  return std::fabs(number) <= 65504 ? f32_to_f16(number) : half;
}

void scale_at(size_t offset, float gain, std::byte* block) {
  uint16_t half = 0;
  std::memcpy(&half, block + offset, sizeof half);
  half = scaled(half, gain);
  std::memcpy(block + offset, &half, sizeof half);
}

// IQ1_M has it in four parts.
void scale_spread(float gain, std::byte* bytes) {
  BlockIQ1_M block;
  std::memcpy(&block, bytes, sizeof block);
  const uint16_t half = scaled(scale_iq1_m(block.scales), gain);
  for (int i = 0; i < 4; ++i) {
    const int nibble = half >> (4 * i) & 15;
    block.scales[i] = static_cast<uint16_t>((block.scales[i] & 0x0fff) | nibble << 12);
  }
  std::memcpy(bytes, &block, sizeof block);
}

void scale_block(DType type, float gain, std::byte* block) {
  switch (type) {
    case DType::Q2_K:
      scale_at(offsetof(BlockQ2_K, d), gain, block);
      return scale_at(offsetof(BlockQ2_K, dmin), gain, block);
    case DType::Q3_K:
      return scale_at(offsetof(BlockQ3_K, d), gain, block);
    case DType::IQ1_M:
      return scale_spread(gain, block);
    default:  // all others begin with it
      return scale_at(0, gain, block);
  }
}

}  // namespace

bool shrinks(DType type) {
  switch (type) {
    case DType::Q2_K:
    case DType::Q3_K:
    case DType::IQ3_S:
    case DType::IQ3_XXS:
    case DType::IQ2_S:
    case DType::IQ2_XS:
    case DType::IQ2_XXS:
    case DType::IQ1_M:
    case DType::IQ1_S:
      return true;
    default:
      return false;
  }
}

void unshrink_row(DType type, const float* values, int64_t columns, const float* importance,
                  std::byte* row) {
  CHECK_THAT(shrinks(type) && columns % kSuperBlock == 0);
  const int64_t bytes = row_bytes(type, kSuperBlock);
  float again[kSuperBlock];
  double squares = 0, products = 0;
  for (int64_t first = 0; first < columns; first += kSuperBlock) {
    decode_row(type, row + first / kSuperBlock * bytes, kSuperBlock, again);
    for (int64_t i = 0; i < kSuperBlock; ++i) {
      const double w = importance == nullptr ? 1 : static_cast<double>(importance[first + i]);
      const double x = values[first + i];
      squares += w * x * x;
      products += w * x * static_cast<double>(again[i]);
    }
  }
  if (!(products > 0) || !(squares > products) || !std::isfinite(squares)) return;
  const double gain = 1 + std::min(kMost, kShare * (squares / products - 1));
  for (int64_t b = 0; b < columns / kSuperBlock; ++b)
    scale_block(type, static_cast<float>(gain), row + b * bytes);
}

}  // namespace issun::quantize
