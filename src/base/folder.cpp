#include "base/folder.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>

#include "base/file.h"
#include "base/quote.h"

namespace issun {

namespace {

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

bool is_link(const std::string& path) {
  struct stat facts {};
  return ::lstat(path.c_str(), &facts) == 0 && S_ISLNK(facts.st_mode);
}

Result<std::vector<std::string>> names_in(const std::string& folder) {
  const std::unique_ptr<DIR, CloseFolder> open(::opendir(folder.c_str()));
  if (open == nullptr) {
    return fail("{}: cannot read this folder: {}", visible(folder), ::strerror(errno));
  }
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(open.get())) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  if (errno != 0)
    return fail("{}: cannot read this folder: {}", visible(folder), ::strerror(errno));
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

Result<std::vector<std::string>> files_below(const std::string& folder) {
  std::vector<std::string> files;
  const std::vector<std::string> names = TRY(names_in(folder));
  for (const std::string& name : names) {
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

}  // namespace issun
