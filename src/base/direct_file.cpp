#include "base/direct_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/check.h"

namespace issun {

namespace {
int64_t nanoseconds(const struct stat& facts) {
  return int64_t{facts.st_mtim.tv_sec} * 1'000'000'000 + facts.st_mtim.tv_nsec;
}
}  // namespace

Result<DirectFile> DirectFile::open(const std::string& path) {
  DirectFile opened;
  opened.file_ = TRY(File::open_for_reading(path));
  struct stat facts {};
  if (::fstat(opened.file_.descriptor(), &facts) != 0) {
    return fail("{}: cannot ask for the size: {}", path, ::strerror(errno));
  }
  opened.size_ = facts.st_size;
  opened.written_ = nanoseconds(facts);
#ifdef O_DIRECT
  const int flags = ::fcntl(opened.file_.descriptor(), F_GETFL);
  opened.direct_ = flags >= 0 && ::fcntl(opened.file_.descriptor(), F_SETFL, flags | O_DIRECT) == 0;
#endif
  return opened;
}

Result<void> DirectFile::unchanged() const {
  struct stat facts {};
  if (::fstat(file_.descriptor(), &facts) != 0) {
    return fail("{}: cannot ask for the size: {}", path(), ::strerror(errno));
  }
  if (facts.st_size == size_ && nanoseconds(facts) == written_) return {};
  return fail("{}: the file was changed while it was in use: it had {} bytes, now {}", path(),
              size_, int64_t{facts.st_size});
}

Result<void> DirectFile::read_at(int64_t offset, std::span<std::byte> out) const {
  CHECK_THAT(offset % kBlock == 0 && static_cast<int64_t>(out.size()) % kBlock == 0);
  CHECK_THAT(reinterpret_cast<uintptr_t>(out.data()) % kBlock == 0);
  const int64_t wanted = std::clamp<int64_t>(size_ - offset, 0, static_cast<int64_t>(out.size()));
  int64_t done = 0;
  while (done < wanted) {
    // The length stays whole blocks, also where the file ends within one.
    const ssize_t got =
        ::pread(file_.descriptor(), out.data() + done, out.size() - static_cast<size_t>(done),
                static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return fail("{}: cannot read {} bytes at offset {}: {}", path(), wanted - done, offset + done,
                  ::strerror(errno));
    }
    if (got == 0) {
      return fail("{}: expected {} bytes at offset {}, found {}", path(), wanted, offset, done);
    }
    // A read that was cut short goes on from its last whole block.
    done = done + got >= wanted ? wanted : (done + got) / kBlock * kBlock;
    if (got < kBlock && done < wanted) {
      return fail("{}: expected {} bytes at offset {}, found {}", path(), wanted, offset,
                  done + got);
    }
  }
  if (!direct_) {
    ::posix_fadvise(file_.descriptor(), static_cast<off_t>(offset), static_cast<off_t>(out.size()),
                    POSIX_FADV_DONTNEED);
  }
  return unchanged();
}

Result<void> forget_cached(const std::string& path) {
  const File file = TRY(File::open_for_reading(path));
  ::posix_fadvise(file.descriptor(), 0, 0, POSIX_FADV_DONTNEED);
  return {};
}

bool DirectFile::same_file(const File& other) const {
  struct stat mine {
  }, theirs{};
  return ::fstat(file_.descriptor(), &mine) == 0 && ::fstat(other.descriptor(), &theirs) == 0 &&
         mine.st_dev == theirs.st_dev && mine.st_ino == theirs.st_ino;
}

}  // namespace issun
