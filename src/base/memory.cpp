#include "base/memory.h"

#include <sys/mman.h>

namespace issun {

Result<AlignedBuffer> AlignedBuffer::create(int64_t bytes) {
  if (bytes == 0) return AlignedBuffer();
  // Anonymous pages come zeroed and are counted as resident only once touched.
  void* data = bytes < 0 ? MAP_FAILED
                         : ::mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return fail("out of memory: {} bytes could not be had", bytes);
  constexpr int64_t kHugePage = 2 << 20;
  if (bytes >= 16 * kHugePage) ::madvise(data, static_cast<size_t>(bytes), MADV_HUGEPAGE);
  return AlignedBuffer(static_cast<std::byte*>(data), bytes);
}

AlignedBuffer::~AlignedBuffer() {
  if (data_ != nullptr) ::munmap(data_, static_cast<size_t>(bytes_));
}

}  // namespace issun
