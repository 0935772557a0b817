// AtomicFile: written beside its name, put there when it is whole.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include "base/file.h"

namespace issun {

namespace {

// Whether there is something at `path` that a rename must not replace.
bool is_no_regular_file(const std::string& path) {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0 && !S_ISREG(facts.st_mode);
}

// The file that `path` leads to, through symbolic links; `path` itself when there is none yet.
std::string target_of(const std::string& path) {
  const std::unique_ptr<char, decltype(&::free)> target(::realpath(path.c_str(), nullptr), ::free);
  return target == nullptr ? path : target.get();
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
