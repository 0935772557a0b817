// libFuzzer target: any bytes are refused or can be read whole, and no single allocation is out of
// proportion.
#include <sanitizer/allocator_interface.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "gguf/touch.h"

namespace {

// 0 outside parsing.
thread_local size_t largest_allowed = 0;

void watch_malloc(const volatile void*, size_t bytes) {
  const size_t allowed = largest_allowed;
  if (allowed == 0 || bytes <= allowed) return;
  largest_allowed = 0;
  std::fprintf(stderr, "expected allocations of at most %zu bytes, found one of %zu\n", allowed,
               bytes);
  std::abort();
}

void watch_free(const volatile void*) {}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  __sanitizer_install_malloc_and_free_hooks(watch_malloc, watch_free);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::unique_ptr<std::byte[]> copy(
      new std::byte[size]);  // aligned, and of exactly this size
  if (size > 0) std::memcpy(copy.get(), data, size);
  largest_allowed = 8 * size + 1024;
  const auto file = issun::gguf::GgufFile::parse({copy.get(), size}, "fuzz.gguf");
  largest_allowed = 0;
  if (file) issun::gguf::touch(*file);
  return 0;
}
