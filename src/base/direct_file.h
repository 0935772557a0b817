// A file read past the page cache, straight into the caller's memory, from any number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/file.h"

namespace issun {

class DirectFile {
 public:
  // What offsets, lengths and addresses of reads are multiples of.
  static constexpr int64_t kBlock = 4096;

  // Where the file system knows no direct reads, the page cache is used and told to forget.
  static Result<DirectFile> open(const std::string& path);

  const std::string& path() const { return file_.path(); }
  int64_t size() const { return size_; }
  // Whether reads really go past the page cache.
  bool direct() const { return direct_; }
  // [offset, offset + out.size()), as far as the file had bytes when it was opened; those beyond
  // are left as they are. Error: the disk, or a file that is another than when it was opened (its
  // length or the time it was written).
  Result<void> read_at(int64_t offset, std::span<std::byte> out) const;
  // Error: as above.
  Result<void> unchanged() const;
  // Whether `other` is open on the same file, whatever the names say.
  bool same_file(const File& other) const;

 private:
  File file_;
  int64_t size_ = 0;
  int64_t written_ = 0;  // nanoseconds
  bool direct_ = false;
};

// Lets the page cache forget a file, as far as no process has it mapped. Error: it cannot be
// opened.
Result<void> forget_cached(const std::string& path);

}  // namespace issun
