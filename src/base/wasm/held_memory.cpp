// What memory the module holds: it grows and never shrinks.
#include "base/clock.h"

namespace issun {

long long peak_memory_bytes() { return resident_memory_bytes(); }

long long resident_memory_bytes() {
  constexpr long long kPage = 65536;  // of WebAssembly
  return static_cast<long long>(__builtin_wasm_memory_size(0)) * kPage;
}

}  // namespace issun
