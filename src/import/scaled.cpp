#include "import/scaled.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "tensor/blocks.h"
#include "tensor/codec.h"

namespace issun::import {

namespace {

constexpr int64_t kBlock = 128;  // rows and columns that share a scale
constexpr int64_t kCodes = 16;   // bytes of codes of an MXFP4 block

bool is_float(const safetensors::StoredType& type) {
  return safetensors::reads_as_floats(type) && *type.type != DType::I8;
}

bool is_fp4(const StoredTensor& codes) { return codes.type->name == "U8"; }

int64_t blocks(int64_t count) { return (count + kBlock - 1) / kBlock; }

// One scale for all, in no dimension or in some of one.
bool is_single(const StoredTensor& scales) {
  return std::all_of(scales.shape.begin(), scales.shape.end(), [](int64_t n) { return n == 1; });
}

// E4M3 without infinities: 1 sign, 4 bits of exponent less 7, 3 of fraction; all ones is NaN.
std::array<float, 256> make_e4m3() {
  std::array<float, 256> values{};
  for (size_t code = 0; code < values.size(); ++code) {
    const int exponent = static_cast<int>(code >> 3 & 15), fraction = static_cast<int>(code & 7);
    float value = exponent == 0 ? std::ldexp(static_cast<float>(fraction), -9)
                                : std::ldexp(static_cast<float>(8 + fraction), exponent - 10);
    if ((code & 127) == 127) value = std::numeric_limits<float>::quiet_NaN();
    values[code] = code >= 128 ? -value : value;
  }
  return values;
}

Result<DType> fp4_type(const StoredTensor& codes, const StoredTensor& scales) {
  const bool shaped = codes.shape.size() >= 3 && codes.shape.back() == kCodes &&
                      std::equal(codes.shape.begin(), codes.shape.end() - 1, scales.shape.begin(),
                                 scales.shape.end());
  if (shaped && scales.type->name == "U8") return DType::MXFP4;
  return fail("{}: expected U8 scales for each of U8 (..., blocks, 16), found {} {} for {}",
              scales.name, scales.type->name, safetensors::describe_shape(scales.shape),
              safetensors::describe_shape(codes.shape));
}

Result<DType> fp8_type(const StoredTensor& codes, const StoredTensor& scales) {
  const bool blocked = codes.shape.size() == 2 && scales.shape.size() == 2 &&
                       scales.shape[0] == blocks(codes.shape[0]) &&
                       scales.shape[1] == blocks(codes.shape[1]);
  if (is_float(*scales.type) && (blocked || is_single(scales))) return DType::BF16;
  return fail("{}: expected scales for each {} x {} of {}, or a single one, found {} {}",
              scales.name, kBlock, kBlock, safetensors::describe_shape(codes.shape),
              scales.type->name, safetensors::describe_shape(scales.shape));
}

}  // namespace

Result<DType> Scaled::type() const {
  if (scales == nullptr && is_float(*codes->type)) return *codes->type->type;
  if (scales != nullptr && is_fp4(*codes)) return fp4_type(*codes, *scales);
  if (scales != nullptr && codes->type->name == "F8_E4M3") return fp8_type(*codes, *scales);
  return fail("{}: expected F32, F16, BF16 or F64, found {}{}, which cannot be imported",
              codes->name, codes->type->name, scales == nullptr ? "" : " with scales");
}

std::vector<int64_t> Scaled::shape() const {
  std::vector<int64_t> shape = codes->shape;
  if (scales == nullptr || !is_fp4(*codes) || shape.size() < 3) return shape;
  shape.pop_back();
  shape.back() *= 2 * kCodes;
  return shape;
}

int64_t Scaled::columns() const {
  const bool packed = scales != nullptr && is_fp4(*codes);
  return packed ? scales->columns() * 2 * kCodes : codes->columns();
}

void Scaled::read(int64_t row, int64_t column, std::span<float> out) const {
  if (scales == nullptr) {
    safetensors::read_floats(*codes, row * codes->columns() + column, out);
    return;
  }
  if (is_fp4(*codes)) {
    std::vector<std::byte> packed(static_cast<size_t>(row_bytes(DType::MXFP4, columns())));
    pack(row, packed);
    const auto first = static_cast<size_t>(row_bytes(DType::MXFP4, column));
    decode_row(DType::MXFP4, packed.data() + first, static_cast<int64_t>(out.size()), out.data());
    return;
  }
  static const std::array<float, 256> kE4m3 = make_e4m3();
  const bool single = is_single(*scales);
  const auto* bytes = codes->data.data() + row * codes->columns() + column;
  float scale = 1;
  for (size_t i = 0; i < out.size(); ++i) {
    const int64_t at = column + static_cast<int64_t>(i);
    if (i == 0 || (!single && at % kBlock == 0)) {
      const int64_t of = single ? 0 : row / kBlock * scales->columns() + at / kBlock;
      safetensors::read_floats(*scales, of, {&scale, 1});
    }
    out[i] = kE4m3[static_cast<size_t>(bytes[i])] * scale;
  }
}

// Stored, a byte has values 2i and 2i + 1; in the file i and i + 16. The low nibble comes first.
void Scaled::pack(int64_t row, std::span<std::byte> out) const {
  const int64_t count = scales->columns();
  const auto* from = reinterpret_cast<const uint8_t*>(codes->data.data()) + row * count * kCodes;
  const std::byte* scale = scales->data.data() + row * count;
  for (int64_t b = 0; b < count; ++b, from += kCodes) {
    std::byte* block = out.data() + b * static_cast<int64_t>(sizeof(BlockMXFP4));
    block[0] = scale[b];
    const auto nibble = [&](int64_t i) { return from[i / 2] >> 4 * (i % 2) & 15; };
    for (int64_t i = 0; i < kCodes; ++i) {
      block[1 + i] = static_cast<std::byte>(nibble(i) | nibble(i + 16) << 4);
    }
  }
}

}  // namespace issun::import
