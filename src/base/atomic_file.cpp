// AtomicFile: written beside its name, put there when it is whole.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "base/file.h"

namespace issun {

namespace {

// Whether there is something at `path` that a rename must not replace.
bool is_no_regular_file(const std::string& path) {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0 && !S_ISREG(facts.st_mode);
}

// The file that `path` leads to, through symbolic links; `path` itself when there is none yet.
// Links among its folders stay as they are: renaming goes through them.
std::string target_of(std::string path) {
  constexpr int kMostLinks = 40;  // as Linux has it; a ring is refused when it is opened
  for (int link = 0; link < kMostLinks; ++link) {
    char room[4096];
    const ssize_t length = ::readlink(path.c_str(), room, sizeof room);
    if (length <= 0 || length == sizeof room) break;
    const std::string next(room, static_cast<size_t>(length));
    const size_t folder = next.front() == '/' ? std::string::npos : path.rfind('/');
    path = folder == std::string::npos ? next : path.substr(0, folder + 1) + next;
  }
  return path;
}

}  // namespace

Result<AtomicFile> AtomicFile::create(const std::string& path, Readers readers) {
  if (is_no_regular_file(path)) return AtomicFile(path, TRY(File::create(path, readers)));
  std::string target = target_of(path);
  File beside = TRY(File::create(fmt::format("{}.part{}", target, ::getpid()), readers));
  return AtomicFile(std::move(target), std::move(beside));
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)), file_(std::move(other.file_)) {}

AtomicFile& AtomicFile::operator=(AtomicFile&& other) noexcept {
  discard();
  path_ = std::move(other.path_);
  file_ = std::move(other.file_);
  return *this;
}

Result<void> AtomicFile::finish() {
  const std::string beside = file_.path();
  const Result<void> finished = [&]() -> Result<void> {
    TRY(file_.finish());
    if (beside != path_ && ::rename(beside.c_str(), path_.c_str()) != 0) {
      return fail("{}: cannot put in place: {}", path_, ::strerror(errno));
    }
    return {};
  }();
  if (!finished && beside != path_) ::unlink(beside.c_str());
  file_ = File();
  return finished;
}

void AtomicFile::discard() {
  if (!unfinished()) return;
  if (file_.path() != path_) ::unlink(file_.path().c_str());
  file_ = File();
}

Result<void> write_atomically(const std::string& path, std::string_view content) {
  AtomicFile file = TRY(AtomicFile::create(path));
  TRY(file.write(content));
  return file.finish();
}

}  // namespace issun
