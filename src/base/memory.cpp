#include "base/memory.h"

#include <sys/mman.h>

namespace issun {

namespace {
// Anonymous pages come zeroed and are counted as resident only once touched.
void* map_pages(int64_t bytes, int flags, bool huge_pages) {
  if (bytes < 0) return nullptr;
  void* data = ::mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  if (data == MAP_FAILED) return nullptr;
  if (huge_pages) ::madvise(data, static_cast<size_t>(bytes), MADV_HUGEPAGE);
  return data;
}
}  // namespace

Result<AlignedBuffer> AlignedBuffer::create(int64_t bytes) {
  constexpr int64_t kHugePage = 2 << 20;
  if (bytes == 0) return AlignedBuffer();
  void* data = map_pages(bytes, 0, bytes >= 16 * kHugePage);
  if (data == nullptr) return fail("out of memory: {} bytes could not be had", bytes);
  return AlignedBuffer(static_cast<std::byte*>(data), bytes);
}

Result<AlignedBuffer> AlignedBuffer::reserve(int64_t bytes, bool huge_pages) {
  if (bytes == 0) return AlignedBuffer();
  void* data = map_pages(bytes, MAP_NORESERVE, huge_pages);
  if (data == nullptr) return fail("out of memory: {} bytes could not be reserved", bytes);
  return AlignedBuffer(static_cast<std::byte*>(data), bytes);
}

AlignedBuffer::~AlignedBuffer() {
  if (data_ != nullptr) ::munmap(data_, static_cast<size_t>(bytes_));
}

}  // namespace issun
