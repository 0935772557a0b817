// libFuzzer target: any bytes are refused, or all their tensors can be read. The first two bytes
// choose how long the table is, so that the fuzzer need not guess a length of eight bytes.
#include <cstring>
#include <memory>
#include <string_view>

#include "safetensors/file.h"
#include "safetensors/made_up.h"

namespace {

void touch(std::span<const std::byte> bytes) {
  using issun::safetensors::SafetensorsFile;
  const std::unique_ptr<std::byte[]> copy(new std::byte[bytes.size()]);  // of exactly this size
  if (!bytes.empty()) std::memcpy(copy.get(), bytes.data(), bytes.size());
  const auto file = SafetensorsFile::parse({copy.get(), bytes.size()}, "fuzz.safetensors");
  if (!file) return;
  size_t read = 0;
  volatile unsigned sum = 0;
  for (const auto& [name, tensor] : file->tensors()) {
    if (tensor.rows() < 0 || file->find(name) != &tensor) __builtin_trap();
    for (const std::byte byte : tensor.data) sum = sum + static_cast<unsigned>(byte);
    read += tensor.data.size();
  }
  if (read > bytes.size()) __builtin_trap();  // bytes that belong to two tensors
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  touch(std::as_bytes(std::span(data, size)));
  if (size < 2) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 2, size - 2);
  const size_t table = std::min<size_t>(rest.size(), data[0] + 256 * size_t{data[1]});
  touch(issun::safetensors::made_up_file(rest.substr(0, table), rest.substr(table)));
  return 0;
}
