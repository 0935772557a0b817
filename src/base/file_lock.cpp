#include "base/file_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/terminal.h"

namespace issun {

namespace {

// False when the file was removed, or made anew by another, between opening and locking it.
bool still_named(int descriptor, const std::string& path) {
  struct stat held {
  }, named{};
  return ::fstat(descriptor, &held) == 0 && ::stat(path.c_str(), &named) == 0 &&
         held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

}  // namespace

Result<std::unique_ptr<FileLock>> FileLock::take(const std::string& path,
                                                 const std::function<void()>& waiting) {
  constexpr double kPause = 0.1;
  for (;;) {
    const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (descriptor < 0) return fail("{}: cannot create: {}", path, ::strerror(errno));
    if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) {
      if (still_named(descriptor, path)) {
        return std::unique_ptr<FileLock>(new FileLock(path, descriptor));
      }
      ::close(descriptor);
      continue;
    }
    const int reason = errno;
    ::close(descriptor);
    if (reason != EWOULDBLOCK && reason != EINTR) {
      return fail("{}: cannot lock: {}", path, ::strerror(reason));
    }
    if (Interrupts::pending()) return fail("{}: interrupted", path);
    waiting();
    wait_seconds(kPause);
  }
}

// Removed while it is held: whoever waits for the old file sees that it lost its name.
FileLock::~FileLock() {
  ::unlink(path_.c_str());
  ::close(descriptor_);
}

}  // namespace issun
