// Memory as pages are had elsewhere: those who read files count on where it begins.
#pragma once

#include <cstdint>
#include <cstdlib>

#include "base/memory.h"

namespace issun {

// On a page, or on a cache line where it is less than one; nullptr: too much. To be freed.
inline void* take_memory(int64_t bytes) {
  constexpr int64_t kPage = 4096;
  if (bytes < 0 || bytes > INT32_MAX - kPage) return nullptr;
  const int64_t unit = bytes < kPage ? kCacheLine : kPage;
  return std::aligned_alloc(static_cast<size_t>(unit), static_cast<size_t>(round_up(bytes, unit)));
}

}  // namespace issun
