// AlignedBuffer from the heap.
#include "base/memory.h"

#include <cstring>

#include "base/wasm/heap.h"

namespace issun {

Result<AlignedBuffer> AlignedBuffer::create(int64_t bytes, Pages) {
  if (bytes == 0) return AlignedBuffer();
  void* data = take_memory(bytes);
  if (data == nullptr) {
    return fail(
        "out of memory: {} bytes could not be had; WebAssembly addresses 4 GiB in all, half "
        "of them in one piece",
        bytes);
  }
  std::memset(data, 0, static_cast<size_t>(bytes));
  return AlignedBuffer(data, bytes, bytes);
}

// Addresses alone are not to be had: it is memory at once.
Result<AlignedBuffer> AlignedBuffer::reserve(int64_t bytes, bool) { return create(bytes); }

AlignedBuffer::~AlignedBuffer() { std::free(data_); }

}  // namespace issun
