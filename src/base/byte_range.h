// A stretch of a text.
#pragma once

#include <cstddef>

namespace issun {

struct ByteRange {
  size_t begin = 0, end = 0;  // bytes begin .. end - 1
  bool operator==(const ByteRange&) const = default;
};

}  // namespace issun
