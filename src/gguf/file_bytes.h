// For tests: a GGUF file put together number by number, right or wrong.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/reader.h"
#include "gguf/value_writer.h"

namespace issun::gguf {

constexpr uint64_t kMinusOne = std::numeric_limits<uint64_t>::max();  // as a count or a length

class FileBytes {
 public:
  // Magic, version, counts.
  static FileBytes start(uint64_t tensors, uint64_t keys, uint32_t version = 3) {
    return FileBytes().raw("GGUF").number(version).number(tensors).number(keys);
  }
  FileBytes& raw(std::string_view bytes) {
    bytes_ += bytes;
    return *this;
  }
  template <class T>
  FileBytes& number(T value) {
    append_number(value, &bytes_);
    return *this;
  }
  // Length and bytes.
  FileBytes& string(std::string_view text) {
    append_string(text, &bytes_);
    return *this;
  }
  // A key and its type; the value follows.
  FileBytes& key(std::string_view name, ValueType type) {
    return string(name).number(static_cast<int32_t>(type));
  }
  FileBytes& array(ValueType element, uint64_t length) {
    return number(static_cast<int32_t>(element)).number(length);
  }
  FileBytes& alignment(uint32_t bytes) {
    return key("general.alignment", ValueType::U32).number(bytes);
  }
  FileBytes& tensor(std::string_view name, std::vector<int64_t> size, int32_t type,
                    uint64_t offset) {
    string(name).number(static_cast<uint32_t>(size.size()));
    for (const int64_t one : size) number(one);
    return number(type).number(offset);
  }
  FileBytes& tensor(std::string_view name, std::vector<int64_t> size, DType type, uint64_t offset) {
    return tensor(name, std::move(size), static_cast<int32_t>(type), offset);
  }
  FileBytes& pad(size_t alignment = 32) {
    while (bytes_.size() % alignment != 0) bytes_ += '\0';
    return *this;
  }
  FileBytes& data(size_t count) {
    bytes_.append(count, '\1');
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// Bytes in memory of exactly their size, so that a sanitizer sees the first read beyond them, and
// the file in it.
class ParsedBytes {
 public:
  explicit ParsedBytes(std::string_view bytes)
      : copy_(new std::byte[bytes.size()]), file_(parse(bytes)) {}
  const Result<GgufFile>& operator*() const { return file_; }
  const Result<GgufFile>* operator->() const { return &file_; }
  // The error, or "opens".
  std::string message() const { return file_ ? "opens" : file_.error().message; }

 private:
  Result<GgufFile> parse(std::string_view bytes) {
    if (!bytes.empty()) std::memcpy(copy_.get(), bytes.data(), bytes.size());
    return GgufFile::parse({copy_.get(), bytes.size()}, "test.gguf");
  }
  std::unique_ptr<std::byte[]> copy_;
  Result<GgufFile> file_;
};

}  // namespace issun::gguf
