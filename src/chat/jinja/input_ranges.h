// Which bytes of a text came from outside of the template: what a person said, what a tool found.
// They are never markup, whatever they look like.
#pragma once

#include <algorithm>
#include <vector>

#include "base/byte_range.h"

namespace issun::chat::jinja {

class InputRanges {
 public:
  bool empty() const { return ranges_.empty(); }
  // In order; none is empty, none touches the next.
  const std::vector<ByteRange>& ranges() const { return ranges_; }

  // What begins at or behind the end of all others.
  void append(size_t begin, size_t end) {
    if (begin >= end) return;
    if (!ranges_.empty() && ranges_.back().end >= begin) {
      ranges_.back().end = std::max(ranges_.back().end, end);
    } else {
      ranges_.push_back({begin, end});
    }
  }

  // Those of bytes begin .. end - 1 of another text, which are appended to this one at `at`.
  void append(const InputRanges& other, size_t begin, size_t end, size_t at) {
    const auto first =
        std::partition_point(other.ranges_.begin(), other.ranges_.end(),
                             [begin](const ByteRange& range) { return range.end <= begin; });
    for (auto range = first; range != other.ranges_.end() && range->begin < end; ++range) {
      append(at + std::max(range->begin, begin) - begin, at + std::min(range->end, end) - begin);
    }
  }

  // All from `begin` on, up to the end of the text.
  void append_rest(size_t begin, size_t size) {
    while (!ranges_.empty() && ranges_.back().begin >= begin) ranges_.pop_back();
    append(begin, size);
  }

 private:
  std::vector<ByteRange> ranges_;
};

}  // namespace issun::chat::jinja
