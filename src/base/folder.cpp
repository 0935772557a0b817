#include "base/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"

namespace issun {

Result<std::vector<std::string>> list_folder(const std::string& path) {
  DIR* folder = ::opendir(path.c_str());
  if (folder == nullptr) return fail("{}: cannot open the folder: {}", path, ::strerror(errno));
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(folder)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
    errno = 0;
  }
  const int reason = errno;
  ::closedir(folder);
  if (reason != 0) return fail("{}: cannot read the folder: {}", path, ::strerror(reason));
  std::sort(names.begin(), names.end());
  return names;
}

namespace {

bool is_link(const std::string& path) {
  struct stat facts {};
  return ::lstat(path.c_str(), &facts) == 0 && S_ISLNK(facts.st_mode);
}

}  // namespace

Result<std::vector<std::string>> files_below(const std::string& folder) {
  std::vector<std::string> files;
  const std::vector<std::string> names = TRY(list_folder(folder));
  for (const std::string& name : names) {
    if (name.starts_with('.')) continue;
    std::string path = folder.ends_with('/') ? folder + name : folder + "/" + name;
    if (is_file(path)) {
      files.push_back(std::move(path));
    } else if (is_directory(path) && !is_link(path)) {
      const std::vector<std::string> below = TRY(files_below(path));
      files.insert(files.end(), below.begin(), below.end());
    }
  }
  return files;
}

int64_t disk_bytes(const std::string& path) {
  constexpr int64_t kBlock = 512;  // POSIX leaves it open; Linux counts in these
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0 ? static_cast<int64_t>(facts.st_blocks) * kBlock : 0;
}

Result<void> make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) == 0 || (errno == EEXIST && is_directory(path))) return {};
  return fail("{}: cannot make the folder: {}", path, ::strerror(errno));
}

Result<void> sync_folder(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return fail("{}: cannot open the folder: {}", path, ::strerror(errno));
  // Some file systems have nothing to do here and say so.
  const bool failed = ::fsync(descriptor) != 0 && errno != EINVAL && errno != EROFS;
  const int reason = errno;
  ::close(descriptor);
  if (failed) return fail("{}: cannot write to the disk: {}", path, ::strerror(reason));
  return {};
}

Result<void> remove_file(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return fail("{}: cannot remove: {}", path, ::strerror(errno));
}

}  // namespace issun
