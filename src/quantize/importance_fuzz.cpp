// libFuzzer target: any bytes are refused, or are entries whose numbers can all be used.
#include <cstring>
#include <memory>

#include "quantize/importance.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::unique_ptr<std::byte[]> copy(
      new std::byte[size]);  // aligned, and of exactly this size
  if (size > 0) std::memcpy(copy.get(), data, size);
  const auto read = issun::quantize::Importance::parse({copy.get(), size}, "fuzz.imatrix");
  if (!read) return 0;
  size_t values = 0;
  for (const auto& [name, entry] : read->entries()) {
    if (read->find(name) != &entry || entry.parts < 1) __builtin_trap();
    for (const float value : entry.values) {
      if (!(value >= 0)) __builtin_trap();
    }
    values += entry.values.size();
  }
  if (values > size / 4) __builtin_trap();  // numbers that belong to two entries
  return 0;
}
