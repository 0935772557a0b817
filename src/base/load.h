// A number, or a plain struct, out of bytes that need not be aligned.
#pragma once

#include <cstddef>
#include <cstring>
#include <type_traits>

namespace issun {

template <class T>
T load(const std::byte* at) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

}  // namespace issun
