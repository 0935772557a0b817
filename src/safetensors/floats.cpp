#include <cstring>

#include "base/check.h"
#include "safetensors/file.h"
#include "tensor/codec.h"

namespace issun::safetensors {

bool reads_as_floats(const StoredType& type) {
  return type.type &&
         (*type.type == DType::F32 || *type.type == DType::F16 || *type.type == DType::BF16 ||
          *type.type == DType::F64 || *type.type == DType::I8);
}

void read_floats(const StoredTensor& tensor, int64_t first, std::span<float> out) {
  CHECK_THAT(reads_as_floats(*tensor.type));
  const int64_t width = tensor.type->bytes, count = static_cast<int64_t>(out.size());
  const auto bytes =
      tensor.data.subspan(static_cast<size_t>(first * width), static_cast<size_t>(count * width));
  const auto convert = [&](auto number) {
    for (size_t i = 0; i < out.size(); ++i) {
      std::memcpy(&number, bytes.data() + i * sizeof number, sizeof number);
      out[i] = static_cast<float>(number);
    }
  };
  if (*tensor.type->type == DType::F64) return convert(double{});
  if (*tensor.type->type == DType::I8) return convert(int8_t{});
  decode_row(*tensor.type->type, bytes.data(), count, out.data());
}

}  // namespace issun::safetensors
