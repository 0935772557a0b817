#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "base/terminal.h"

namespace issun {

namespace {
tl::unexpected<Error> system_failure(std::string_view what, const std::string& path) {
  return fail("{}: {}: {}", path, what, ::strerror(errno));
}

mode_t mode_of(const std::string& path) {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0 ? facts.st_mode : 0;
}
}  // namespace

bool is_file(const std::string& path) { return S_ISREG(mode_of(path)); }
bool is_directory(const std::string& path) { return S_ISDIR(mode_of(path)); }

Result<File> File::open_for_reading(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return system_failure("cannot open for reading", path);
  File file(path, descriptor);
  struct stat facts {};
  if (::fstat(descriptor, &facts) == 0 && S_ISDIR(facts.st_mode)) {
    return fail("{}: expected a file, found a directory", path);
  }
  return file;
}

Result<File> File::create(const std::string& path, Readers readers) {
#ifdef __wasm__
  if (readers == Readers::Owner)
    return fail("{}: cannot create: WebAssembly cannot keep a file from other people", path);
#endif
  const mode_t mode = readers == Readers::Owner ? 0600 : 0644;
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (descriptor < 0) return system_failure("cannot create", path);
  return File(path, descriptor);
}

Result<File> File::open_for_appending(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor < 0) return system_failure("cannot open for writing", path);
  return File(path, descriptor);
}

Result<File> File::open_for_updating(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (descriptor < 0) return system_failure("cannot open for writing", path);
  return File(path, descriptor);
}

File::File(File&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

File& File::operator=(File&& other) noexcept {
  File taken(std::move(other));
  std::swap(path_, taken.path_);
  std::swap(descriptor_, taken.descriptor_);
  return *this;
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<int64_t> File::size() const {
  struct stat facts {};
  if (::fstat(descriptor_, &facts) != 0) return system_failure("cannot ask for the size", path_);
  return static_cast<int64_t>(facts.st_size);
}

Result<void> File::read_at(int64_t offset, std::span<std::byte> out) const {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = ::pread(descriptor_, out.data() + done, out.size() - done,
                                static_cast<off_t>(offset) + static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_failure("cannot read", path_);
    if (got == 0) {
      return fail("{}: expected {} bytes at offset {}, found {}", path_, out.size(), offset, done);
    }
    done += static_cast<size_t>(got);
  }
  return {};
}

Result<void> File::write(std::span<const std::byte> bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t put = ::write(descriptor_, bytes.data() + done, bytes.size() - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return system_failure("cannot write", path_);
    done += static_cast<size_t>(put);
  }
  return {};
}

Result<void> File::write(std::string_view text) { return write(std::as_bytes(std::span(text))); }

Result<void> File::write_at(int64_t offset, std::span<const std::byte> bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t put = ::pwrite(descriptor_, bytes.data() + done, bytes.size() - done,
                                 static_cast<off_t>(offset) + static_cast<off_t>(done));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return system_failure("cannot write", path_);
    done += static_cast<size_t>(put);
  }
  return {};
}

Result<void> File::resize(int64_t bytes) {
  if (::ftruncate(descriptor_, static_cast<off_t>(bytes)) != 0) {
    return system_failure("cannot change the size", path_);
  }
  return {};
}

Result<void> File::sync() {
  if (::fsync(descriptor_) == 0 || errno == EINVAL || errno == EROFS) return {};
  return system_failure("cannot write to the disk", path_);
}

Result<void> File::finish() {
  TRY(sync());
  if (::close(std::exchange(descriptor_, -1)) != 0) return system_failure("cannot close", path_);
  return {};
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : file_(std::move(other.file_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      slot_(std::exchange(other.slot_, -1)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  MappedFile taken(std::move(other));
  std::swap(file_, taken.file_);
  std::swap(data_, taken.data_);
  std::swap(size_, taken.size_);
  std::swap(slot_, taken.slot_);
  return *this;
}

Result<File> File::standard_input() {
#ifdef F_DUPFD_CLOEXEC
  const int descriptor = ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
  if (descriptor < 0) return system_failure("cannot read", "standard input");
#else
  const int descriptor = STDIN_FILENO;  // WASI has no second hold: closing it closes the stream
#endif
  return File("standard input", descriptor);
}

Result<std::string> read_text(const std::string& path, int64_t limit) {
  const File file = TRY(path == "-" ? File::standard_input() : File::open_for_reading(path));
  std::string text;
  std::string piece(1 << 16, '\0');
  for (;;) {
    if (Interrupts::pending()) return fail("{}: interrupted", file.path());
    const ssize_t got = ::read(file.descriptor(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_failure("cannot read", file.path());
    if (got == 0) return text;
    if (static_cast<int64_t>(text.size()) + got > limit) {
      return fail("{}: expected at most {} bytes of text", file.path(), limit);
    }
    text.append(piece, 0, static_cast<size_t>(got));
  }
}

}  // namespace issun
