#include "tensor/codec.h"

#include <cstring>

#include "base/check.h"
#include "tensor/blocks.h"
#include "tensor/encode_k.h"
#include "tensor/encode_plain.h"
#include "tensor/half.h"

namespace issun {

namespace {

void decode(const BlockQ4_0& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 16; ++i) {
    out[i] = static_cast<float>((block.nibbles[i] & 15) - 8) * d;
    out[i + 16] = static_cast<float>((block.nibbles[i] >> 4) - 8) * d;
  }
}

void decode(const BlockQ8_0& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(block.q[i]) * d;
}

// high: the fifth bits of Q5_K, or nullptr.
template <class Block>
void decode_k(const Block& block, const uint8_t* high, float* out) {
  uint8_t scales[8], mins[8];
  unpack_scales_k4(block.scales, scales, mins);
  for (int g = 0; g < 8; ++g) {
    const float scale = f16_to_f32(block.d) * static_cast<float>(scales[g]);
    const float min = f16_to_f32(block.dmin) * static_cast<float>(mins[g]);
    for (int i = 0; i < 32; ++i) {
      const int pair = block.nibbles[g / 2 * 32 + i];
      int q = g % 2 == 0 ? pair & 15 : pair >> 4;
      if (high != nullptr) q += ((high[i] >> g) & 1) * 16;
      out[g * 32 + i] = scale * static_cast<float>(q) - min;
    }
  }
}

void decode(const BlockQ4_K& block, float* out) { decode_k(block, nullptr, out); }
void decode(const BlockQ5_K& block, float* out) { decode_k(block, block.high, out); }

void decode(const BlockQ6_K& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, quarter = i / 32 % 4, l = i % 32;
    const int low = block.low[half * 64 + quarter % 2 * 32 + l] >> (quarter / 2 * 4) & 15;
    const int high = block.high[half * 32 + l] >> (quarter * 2) & 3;
    out[i] =
        d * static_cast<float>(block.scales[i / 16]) * static_cast<float>((low | high << 4) - 32);
  }
}

template <class Block>
void decode_blocks(const std::byte* row, int64_t columns, int block_values, float* out) {
  for (int64_t first = 0; first < columns; first += block_values) {
    Block block;
    std::memcpy(&block, row + first / block_values * static_cast<int64_t>(sizeof block),
                sizeof block);
    decode(block, out + first);
  }
}

template <class Block>
void encode_blocks(const float* values, int64_t columns, int block_values, std::byte* row) {
  for (int64_t first = 0; first < columns; first += block_values) {
    Block block;
    encode(values + first, &block);
    std::memcpy(row + first / block_values * static_cast<int64_t>(sizeof block), &block,
                sizeof block);
  }
}

template <float (*widen)(uint16_t)>
void decode_halves(const std::byte* row, int64_t columns, float* out) {
  for (int64_t i = 0; i < columns; ++i) {
    uint16_t bits;
    std::memcpy(&bits, row + i * 2, 2);
    out[i] = widen(bits);
  }
}

template <uint16_t (*narrow)(float)>
void encode_halves(const float* values, int64_t columns, std::byte* row) {
  for (int64_t i = 0; i < columns; ++i) {
    const uint16_t bits = narrow(values[i]);
    std::memcpy(row + i * 2, &bits, 2);
  }
}

}  // namespace

void decode_row(DType type, const std::byte* row, int64_t columns, float* out) {
  const DTypeFacts& format = facts(type);
  CHECK_THAT(format.computable && columns % format.block == 0);
  switch (type) {
    case DType::F32:
      std::memcpy(out, row, static_cast<size_t>(columns) * 4);
      return;
    case DType::F16:
      return decode_halves<f16_to_f32>(row, columns, out);
    case DType::BF16:
      return decode_halves<bf16_to_f32>(row, columns, out);
    case DType::Q4_0:
      return decode_blocks<BlockQ4_0>(row, columns, 32, out);
    case DType::Q8_0:
      return decode_blocks<BlockQ8_0>(row, columns, 32, out);
    case DType::Q4_K:
      return decode_blocks<BlockQ4_K>(row, columns, 256, out);
    case DType::Q5_K:
      return decode_blocks<BlockQ5_K>(row, columns, 256, out);
    case DType::Q6_K:
      return decode_blocks<BlockQ6_K>(row, columns, 256, out);
    default:
      CHECK_THAT(false);
  }
}

void encode_row(DType type, const float* values, int64_t columns, std::byte* row) {
  const DTypeFacts& format = facts(type);
  CHECK_THAT(format.computable && columns % format.block == 0);
  switch (type) {
    case DType::F32:
      std::memcpy(row, values, static_cast<size_t>(columns) * 4);
      return;
    case DType::F16:
      return encode_halves<f32_to_f16>(values, columns, row);
    case DType::BF16:
      return encode_halves<f32_to_bf16>(values, columns, row);
    case DType::Q4_0:
      return encode_blocks<BlockQ4_0>(values, columns, 32, row);
    case DType::Q8_0:
      return encode_blocks<BlockQ8_0>(values, columns, 32, row);
    case DType::Q4_K:
      return encode_blocks<BlockQ4_K>(values, columns, 256, row);
    case DType::Q5_K:
      return encode_blocks<BlockQ5_K>(values, columns, 256, row);
    case DType::Q6_K:
      return encode_blocks<BlockQ6_K>(values, columns, 256, row);
    default:
      CHECK_THAT(false);
  }
}

}  // namespace issun
