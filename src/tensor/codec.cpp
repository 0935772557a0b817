#include "tensor/codec.h"

#include <array>
#include <cstring>

#include "base/check.h"
#include "tensor/decode_iq.h"
#include "tensor/decode_k.h"
#include "tensor/decode_plain.h"
#include "tensor/encode_k.h"
#include "tensor/encode_plain.h"
#include "tensor/half.h"

namespace issun {

namespace {

void decode_floats(const std::byte* row, int64_t columns, float* out) {
  std::memcpy(out, row, static_cast<size_t>(columns) * 4);
}

template <float (*widen)(uint16_t)>
void decode_halves(const std::byte* row, int64_t columns, float* out) {
  for (int64_t i = 0; i < columns; ++i) {
    uint16_t bits;
    std::memcpy(&bits, row + i * 2, 2);
    out[i] = widen(bits);
  }
}

template <class Block, int kValues>
void decode_blocks(const std::byte* row, int64_t columns, float* out) {
  for (int64_t first = 0; first < columns; first += kValues, row += sizeof(Block)) {
    Block block;
    std::memcpy(&block, row, sizeof block);
    decode(block, out + first);
  }
}

using RowDecoder = void (*)(const std::byte* row, int64_t columns, float* out);

// By DType; nullptr for types that no weights have.
constexpr std::array<RowDecoder, 43> kDecoders = [] {
  std::array<RowDecoder, 43> table{};
  const auto put = [&](DType type, RowDecoder decoder) {
    table[static_cast<size_t>(type)] = decoder;
  };
  put(DType::F32, decode_floats);
  put(DType::F16, decode_halves<f16_to_f32>);
  put(DType::BF16, decode_halves<bf16_to_f32>);
  put(DType::Q8_0, decode_blocks<BlockQ8_0, 32>);
  put(DType::Q4_0, decode_blocks<BlockQ4_0, 32>);
  put(DType::Q4_1, decode_blocks<BlockQ4_1, 32>);
  put(DType::Q5_0, decode_blocks<BlockQ5_0, 32>);
  put(DType::Q5_1, decode_blocks<BlockQ5_1, 32>);
  put(DType::Q1_0, decode_blocks<BlockQ1_0, 128>);
  put(DType::Q2_0, decode_blocks<BlockQ2_0, 64>);
  put(DType::TQ1_0, decode_blocks<BlockTQ1_0, 256>);
  put(DType::TQ2_0, decode_blocks<BlockTQ2_0, 256>);
  put(DType::MXFP4, decode_blocks<BlockMXFP4, 32>);
  put(DType::NVFP4, decode_blocks<BlockNVFP4, 64>);
  put(DType::Q2_K, decode_blocks<BlockQ2_K, 256>);
  put(DType::Q3_K, decode_blocks<BlockQ3_K, 256>);
  put(DType::Q4_K, decode_blocks<BlockQ4_K, 256>);
  put(DType::Q5_K, decode_blocks<BlockQ5_K, 256>);
  put(DType::Q6_K, decode_blocks<BlockQ6_K, 256>);
  put(DType::IQ4_NL, decode_blocks<BlockIQ4_NL, 32>);
  put(DType::IQ4_XS, decode_blocks<BlockIQ4_XS, 256>);
  put(DType::IQ3_XXS, decode_blocks<BlockIQ3_XXS, 256>);
  put(DType::IQ3_S, decode_blocks<BlockIQ3_S, 256>);
  put(DType::IQ2_XXS, decode_blocks<BlockIQ2_XXS, 256>);
  put(DType::IQ2_XS, decode_blocks<BlockIQ2_XS, 256>);
  put(DType::IQ2_S, decode_blocks<BlockIQ2_S, 256>);
  put(DType::IQ1_S, decode_blocks<BlockIQ1_S, 256>);
  put(DType::IQ1_M, decode_blocks<BlockIQ1_M, 256>);
  return table;
}();

template <class Block>
void encode_blocks(const float* values, int64_t columns, int block_values, std::byte* row) {
  for (int64_t first = 0; first < columns; first += block_values) {
    Block block;
    encode(values + first, &block);
    std::memcpy(row + first / block_values * static_cast<int64_t>(sizeof block), &block,
                sizeof block);
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
  const auto id = static_cast<size_t>(type);
  CHECK_THAT(id < kDecoders.size() && kDecoders[id] != nullptr);
  CHECK_THAT(columns % facts(type).block == 0);
  kDecoders[id](row, columns, out);
}

bool can_encode(DType type) {
  switch (type) {
    case DType::F32:
    case DType::F16:
    case DType::BF16:
    case DType::Q4_0:
    case DType::Q4_1:
    case DType::Q5_0:
    case DType::Q5_1:
    case DType::Q8_0:
    case DType::IQ4_NL:
    case DType::Q4_K:
    case DType::Q5_K:
    case DType::Q6_K:
      return true;
    default:
      return false;
  }
}

void encode_row(DType type, const float* values, int64_t columns, std::byte* row) {
  CHECK_THAT(columns % facts(type).block == 0);
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
    case DType::Q4_1:
      return encode_blocks<BlockQ4_1>(values, columns, 32, row);
    case DType::Q5_0:
      return encode_blocks<BlockQ5_0>(values, columns, 32, row);
    case DType::Q5_1:
      return encode_blocks<BlockQ5_1>(values, columns, 32, row);
    case DType::Q8_0:
      return encode_blocks<BlockQ8_0>(values, columns, 32, row);
    case DType::IQ4_NL:
      return encode_blocks<BlockIQ4_NL>(values, columns, 32, row);
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
