// AlignedBuffer: memory asked for once, aligned to a cache line, never grown.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "base/result.h"

namespace issun {

constexpr int64_t kCacheLine = 64;

// a * b and a + b for numbers that came from outside: false when they do not fit.
inline bool checked_mul(int64_t a, int64_t b, int64_t* product) {
  return !__builtin_mul_overflow(a, b, product);
}
inline bool checked_add(int64_t a, int64_t b, int64_t* sum) {
  return !__builtin_add_overflow(a, b, sum);
}
// The same, held at the largest number when the result does not fit: sizes of memory that nobody
// has.
inline int64_t saturating_mul(int64_t a, int64_t b) {
  int64_t product = 0;
  return checked_mul(a, b, &product) ? product : INT64_MAX;
}
inline int64_t saturating_add(int64_t a, int64_t b) {
  int64_t sum = 0;
  return checked_add(a, b, &sum) ? sum : INT64_MAX;
}
// The smallest multiple of `unit` (a power of two) that is not below n.
constexpr int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) & -unit; }

// What a buffer is made of: large ones of huge pages, or all of small ones, for those who count
// what is resident.
enum class Pages { BySize, Small };

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  // Zeroed memory, resident once it is written to. Error: the system refuses.
  static Result<AlignedBuffer> create(int64_t bytes, Pages pages = Pages::BySize);
  // Addresses alone: pages are had, zeroed, when they are touched, and may not be there then.
  static Result<AlignedBuffer> reserve(int64_t bytes, bool huge_pages);
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        bytes_(std::exchange(other.bytes_, 0)),
        page_bytes_(other.page_bytes_) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    AlignedBuffer taken(std::move(other));
    std::swap(data_, taken.data_);
    std::swap(bytes_, taken.bytes_);
    std::swap(page_bytes_, taken.page_bytes_);
    return *this;
  }
  ~AlignedBuffer();

  std::byte* data() const { return data_; }
  int64_t bytes() const { return bytes_; }
  // So much of it becomes resident at once, at most.
  int64_t page_bytes() const { return page_bytes_; }
  template <class T>
  std::span<T> as() const {
    return {reinterpret_cast<T*>(data_), static_cast<size_t>(bytes_) / sizeof(T)};
  }

 private:
  AlignedBuffer(void* data, int64_t bytes, int64_t page_bytes)
      : data_(static_cast<std::byte*>(data)), bytes_(bytes), page_bytes_(page_bytes) {}
  std::byte* data_ = nullptr;
  int64_t bytes_ = 0;  // as asked for
  int64_t page_bytes_ = 1;
};

// A plan of one buffer cut into named parts: first reserve() all, then create the buffer, then
// at().
class Arena {
 public:
  struct Part {
    int64_t offset = 0, bytes = 0;
  };
  // Room for `count` values of T, starting on a cache line. More than can be counted stays the
  // largest number, which allocate() then refuses.
  template <class T>
  Part reserve(int64_t count) {
    const Part part{planned_, saturating_mul(count, static_cast<int64_t>(sizeof(T)))};
    const int64_t end = saturating_add(planned_, part.bytes);
    planned_ = end > INT64_MAX - kCacheLine ? INT64_MAX : round_up(end, kCacheLine);
    return part;
  }
  // Parts that are never needed at once may lie upon each other: what is reserved from here on
  // begins again where planned_bytes() once was `from`.
  void reuse(int64_t from) {
    most_ = planned_bytes();
    planned_ = from;
  }
  int64_t planned_bytes() const { return std::max(planned_, most_); }
  Result<void> allocate() {
    buffer_ = TRY(AlignedBuffer::create(planned_bytes()));
    return {};
  }
  template <class T>
  std::span<T> at(Part part) const {
    return {reinterpret_cast<T*>(buffer_.data() + part.offset),
            static_cast<size_t>(part.bytes) / sizeof(T)};
  }

 private:
  AlignedBuffer buffer_;
  int64_t planned_ = 0;
  int64_t most_ = 0;  // planned before some of it was reused
};

}  // namespace issun
