#include "base/temporary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <utility>

namespace issun {

Result<TemporaryFile> TemporaryFile::create(std::string_view name) {
  const char* stated = ::getenv("TMPDIR");
  std::string folder = std::string(stated != nullptr && *stated != '\0' ? stated : "/tmp");
  folder += "/issun-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) {
    return fail("{}: cannot make a temporary folder: {}", folder, ::strerror(errno));
  }
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
