#include "base/temporary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

namespace issun {

// Not mkdtemp, which WASI has not.
Result<std::string> make_temporary_folder() {
  const char* stated = ::getenv("TMPDIR");
  const std::string root = stated != nullptr && *stated != '\0' ? stated : "/tmp";
  for (int attempt = 0; attempt < 100; ++attempt) {
    uint64_t random = 0;
    if (::getentropy(&random, sizeof random) != 0) break;
    std::string folder = fmt::format("{}/issun-{:016x}", root, random);
    if (::mkdir(folder.c_str(), 0700) == 0) return folder;
    if (errno != EEXIST) break;
  }
  return fail("{}: cannot make a temporary folder: {}", root, ::strerror(errno));
}

Result<TemporaryFile> TemporaryFile::create(std::string_view name) {
  std::string folder = TRY(make_temporary_folder());
  std::string path = folder + "/" + std::string(name);
  return TemporaryFile(std::move(folder), std::move(path));
}

TemporaryFile::TemporaryFile(TemporaryFile&& other) noexcept
    : folder_(std::exchange(other.folder_, "")), path_(std::exchange(other.path_, "")) {}

TemporaryFile::~TemporaryFile() {
  if (folder_.empty()) return;
  ::unlink(path_.c_str());
  ::rmdir(folder_.c_str());
}

}  // namespace issun
