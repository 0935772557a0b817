#include "base/memory.h"

#include <sys/mman.h>
#include <unistd.h>

namespace issun {

namespace {
constexpr int64_t kHugePage = 2 << 20;
int64_t bytes_of_page(bool huge) { return huge ? kHugePage : ::sysconf(_SC_PAGESIZE); }

// Anonymous pages come zeroed and are counted as resident only once touched.
// Where a system knows no huge pages it refuses the advice, and nothing is lost.
void* map_pages(int64_t bytes, int flags, int advice) {
  if (bytes < 0) return nullptr;
  void* data = ::mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  if (data == MAP_FAILED) return nullptr;
  if (advice != MADV_NORMAL) ::madvise(data, static_cast<size_t>(bytes), advice);
  return data;
}
}  // namespace

Result<AlignedBuffer> AlignedBuffer::create(int64_t bytes, Pages pages) {
  if (bytes == 0) return AlignedBuffer();
  const bool huge_pages = pages == Pages::BySize && bytes >= 16 * kHugePage;
  const int small = pages == Pages::Small ? MADV_NOHUGEPAGE : MADV_NORMAL;
  void* data = map_pages(bytes, 0, huge_pages ? MADV_HUGEPAGE : small);
  if (data == nullptr) return fail("out of memory: {} bytes could not be had", bytes);
  return AlignedBuffer(data, bytes, bytes_of_page(huge_pages));
}

Result<AlignedBuffer> AlignedBuffer::reserve(int64_t bytes, bool huge_pages) {
  if (bytes == 0) return AlignedBuffer();
  void* data = map_pages(bytes, MAP_NORESERVE, huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  if (data == nullptr) return fail("out of memory: {} bytes could not be reserved", bytes);
  return AlignedBuffer(data, bytes, bytes_of_page(huge_pages));
}

AlignedBuffer::~AlignedBuffer() {
  if (data_ != nullptr) ::munmap(data_, static_cast<size_t>(bytes_));
}

}  // namespace issun
