// Reads little-endian numbers and strings off a span of bytes and never past its end.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace issun::gguf {

static_assert(std::endian::native == std::endian::little, "GGUF files are read in place");

class Cursor {
 public:
  explicit Cursor(std::span<const std::byte> bytes) : bytes_(bytes) {}

  uint64_t offset() const { return at_; }
  uint64_t remaining() const { return bytes_.size() - at_; }

  // False, without moving, when the bytes end first.
  template <class T>
  bool take(T* value) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (remaining() < sizeof(T)) return false;
    std::memcpy(value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return true;
  }
  // A u64 length, then that many bytes.
  bool take_string(std::string_view* text) {
    uint64_t length = 0;
    if (remaining() < sizeof length) return false;
    std::memcpy(&length, bytes_.data() + at_, sizeof length);
    if (length > remaining() - sizeof length) return false;
    *text = {reinterpret_cast<const char*>(bytes_.data()) + at_ + sizeof length,
             static_cast<size_t>(length)};
    at_ += sizeof length + length;
    return true;
  }

 private:
  std::span<const std::byte> bytes_;
  uint64_t at_ = 0;
};

}  // namespace issun::gguf
