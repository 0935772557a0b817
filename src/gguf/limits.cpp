#include "gguf/limits.h"

#include "base/memory.h"

namespace issun::gguf {

Result<void> check_alignment(int64_t alignment) {
  constexpr int64_t kLeast = 8, kLargest = 1 << 20;
  if (alignment >= kLeast && alignment <= kLargest && (alignment & (alignment - 1)) == 0) return {};
  return fail("{}: expected a power of two from {} to {}, found {}", kAlignmentKey, kLeast,
              kLargest, alignment);
}

Result<int64_t> extent_bytes(const DTypeFacts& format, const std::array<int64_t, 4>& size) {
  for (size_t d = 0; d < size.size(); ++d) {
    if (size[d] < 1) return fail("expected a positive size in dimension {}, found {}", d, size[d]);
  }
  const auto& [columns, s1, s2, s3] = size;
  if (columns % format.block != 0) {
    return fail("expected rows of a multiple of {} values for {}, found {}", format.block,
                format.name, columns);
  }
  int64_t rows = 0, values = 0, bytes = 0;
  if (checked_mul(s1, s2, &rows) && checked_mul(rows, s3, &rows) &&
      checked_mul(rows, columns, &values) &&
      checked_mul(columns / format.block, format.bytes, &bytes) &&
      checked_mul(bytes, rows, &bytes)) {
    return bytes;
  }
  return fail("expected fewer than 2^63 values and bytes, found {} x {} x {} x {} {} values",
              columns, s1, s2, s3, format.name);
}

}  // namespace issun::gguf
