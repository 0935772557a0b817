// Files: read, map, write atomically. The only place that opens one by a name from outside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace issun {

// Whether there is one of that kind at `path`, through symbolic links.
bool is_file(const std::string& path);
bool is_directory(const std::string& path);

// Who may read a file that is created: everyone whom the user lets (umask), or the user alone.
enum class Readers { Everyone, Owner };

// An open file, closed when it goes.
class File {
 public:
  File() = default;  // none
  static Result<File> open_for_reading(const std::string& path);
  // Another hold on the stream itself, from where it stands: it may be a pipe or a socket.
  static Result<File> standard_input();
  // A new or emptied file.
  static Result<File> create(const std::string& path, Readers readers = Readers::Everyone);
  // What is written goes behind what is there; a new file where there is none.
  static Result<File> open_for_appending(const std::string& path);
  // To read and to write in any order; what is in it stays, a new file where there is none. A
  // symbolic link is refused.
  static Result<File> open_for_updating(const std::string& path);
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  const std::string& path() const { return path_; }
  Result<int64_t> size() const;
  // Exactly out.size() bytes from `offset`; a shorter file is an error that names both lengths.
  Result<void> read_at(int64_t offset, std::span<std::byte> out) const;
  Result<void> write(std::span<const std::byte> bytes);
  Result<void> write(std::string_view text);
  Result<void> write_at(int64_t offset, std::span<const std::byte> bytes);
  // A longer file is cut, a shorter one filled with zeros, which take no room yet.
  Result<void> resize(int64_t bytes);
  // To the disk itself.
  Result<void> sync();
  // To the disk itself, then closed.
  Result<void> finish();
  int descriptor() const { return descriptor_; }

 private:
  File(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  std::string path_;
  int descriptor_ = -1;
};

// A whole file as read-only memory. Pages come from the page cache when touched; in WebAssembly,
// which maps nothing, all of it is read when it is opened.
// A mapped file that another process cuts short would raise SIGBUS on the missing pages:
// guard_mappings() turns that into a page of zeros and a flag, so that it ends as an error instead
// of a death.
class MappedFile {
 public:
  MappedFile() = default;
  static Result<MappedFile> open(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  const std::string& path() const { return file_.path(); }
  std::span<const std::byte> bytes() const { return {data_, static_cast<size_t>(size_)}; }
  const File& file() const { return file_; }
  // How many of the mapped bytes sit in memory now.
  int64_t resident_bytes() const;
  // Error when the file was found shorter than at open() by any access so far.
  Result<void> still_whole() const;

 private:
  File file_;  // kept open: its length now, not that of a file which took its name
  const std::byte* data_ = nullptr;
  int64_t size_ = 0;
  int slot_ = -1;  // in the table that the SIGBUS handler reads
};

// Whole file as text, at most `limit` bytes (an error beyond). "-" is standard input, from where it
// stands. Error too when Ctrl-C interrupts (base/terminal.h).
Result<std::string> read_text(const std::string& path, int64_t limit = int64_t{1} << 30);

// A file that appears under its name whole or not at all: it grows beside that name and finish()
// puts it there. Unfinished, it goes when this goes. Where the name is that of a device or a pipe,
// which cannot be replaced, that is written to as it is; a symbolic link stays one.
class AtomicFile {
 public:
  static Result<AtomicFile> create(const std::string& path, Readers readers = Readers::Everyone);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&& other) noexcept;
  ~AtomicFile() { discard(); }

  // False once finished or discarded.
  bool unfinished() const { return file_.descriptor() >= 0; }
  Result<void> write(std::span<const std::byte> bytes) { return file_.write(bytes); }
  Result<void> write(std::string_view text) { return file_.write(text); }
  // To the disk, then under its name. Error: the disk; nothing appears then.
  Result<void> finish();
  // Leaves nothing behind.
  void discard();

 private:
  AtomicFile(std::string path, File file) : path_(std::move(path)), file_(std::move(file)) {}
  std::string path_;  // where it goes
  File file_;         // under the name it has until then
};

// As AtomicFile.
Result<void> write_atomically(const std::string& path, std::string_view content);

}  // namespace issun
