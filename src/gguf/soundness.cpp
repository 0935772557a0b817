#include "gguf/soundness.h"

#include <cmath>

#include "base/load.h"

namespace issun::gguf {

namespace {

bool finite_f16(const std::byte* at) { return (load<uint16_t>(at) & 0x7c00) != 0x7c00; }
bool finite_bf16(const std::byte* at) { return (load<uint16_t>(at) & 0x7f80) != 0x7f80; }

// IQ1_M spreads its binary16 scale over the top nibbles of its last four u16; the exponent's five
// bits are in the last nibble, without the sign, and in the top two bits of the one before.
bool finite_iq1_m(const std::byte* block) {
  const int top = load<uint16_t>(block + 54) >> 12, below = load<uint16_t>(block + 52) >> 12;
  return ((top & 7) << 2 | below >> 2) != 31;
}

// One block, by the place of its scales: first, last, or where the format has them.
bool finite_block(DType type, const std::byte* block) {
  switch (type) {
    case DType::F32:
      return std::isfinite(load<float>(block));
    case DType::F64:
      return std::isfinite(load<double>(block));
    case DType::BF16:
      return finite_bf16(block);
    case DType::F16:
    case DType::Q4_0:
    case DType::Q5_0:
    case DType::Q8_0:
    case DType::IQ4_NL:
    case DType::IQ4_XS:
    case DType::IQ3_XXS:
    case DType::IQ3_S:
    case DType::IQ2_XXS:
    case DType::IQ2_XS:
    case DType::IQ2_S:
    case DType::IQ1_S:
    case DType::Q1_0:
    case DType::Q2_0:
      return finite_f16(block);
    case DType::Q4_1:
    case DType::Q5_1:
    case DType::Q4_K:
    case DType::Q5_K:
      return finite_f16(block) && finite_f16(block + 2);
    case DType::Q2_K:
      return finite_f16(block + 80) && finite_f16(block + 82);
    case DType::Q3_K:
      return finite_f16(block + 108);
    case DType::Q6_K:
      return finite_f16(block + 208);
    case DType::TQ1_0:
      return finite_f16(block + 52);
    case DType::TQ2_0:
      return finite_f16(block + 64);
    case DType::IQ1_M:
      return finite_iq1_m(block);
    case DType::MXFP4:
      return load<uint8_t>(block) != 255;  // the NaN of the E8M0 scale
    case DType::NVFP4:                     // its NaN scales count as zero
    case DType::I8:
    case DType::I16:
    case DType::I32:
    case DType::I64:
      return true;
  }
  return true;
}

}  // namespace

Soundness check_numbers(const Tensor& tensor) {
  Soundness found;
  const DTypeFacts& format = facts(tensor.type);
  const int64_t blocks_per_row = tensor.columns() / format.block;
  const int64_t blocks = tensor.rows() * blocks_per_row;
  for (int64_t b = 0; b < blocks; ++b) {
    if (finite_block(tensor.type, tensor.data + b * format.bytes)) continue;
    if (found.bad_blocks == 0) {
      found.first_row = b / blocks_per_row;
      found.first_column = b % blocks_per_row * format.block;
    }
    ++found.bad_blocks;
  }
  return found;
}

}  // namespace issun::gguf
