#include "base/available_memory.h"

#include <algorithm>
#include <fstream>

#include "base/control_groups.h"

namespace issun {

namespace {

// A number behind a key of a file with a line each; 0: none.
int64_t number_of(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string word; file >> word;) {
    int64_t number = 0;
    if (word == key && file >> number) return number;
  }
  return 0;
}

// "max", a missing file and nonsense mean no limit.
int64_t bytes_in(const std::string& path) {
  int64_t bytes = 0;
  std::ifstream(path) >> bytes;
  return bytes;
}

// What is left of a group's limit; -1: it has none.
int64_t left_in(const std::string& folder, int version) {
  const bool new_kind = version == 2;
  const int64_t limit = bytes_in(folder + (new_kind ? "/memory.max" : "/memory.limit_in_bytes"));
  // Version 1 says no limit as the largest number of whole pages.
  if (limit <= 0 || limit > int64_t{1} << 60) return -1;
  const int64_t used = bytes_in(folder + (new_kind ? "/memory.current" : "/memory.usage_in_bytes"));
  const std::string statistics = folder + "/memory.stat";
  const int64_t of_files =
      new_kind ? number_of(statistics, "inactive_file") + number_of(statistics, "active_file")
               : number_of(statistics, "total_inactive_file") +
                     number_of(statistics, "total_active_file");
  return std::clamp<int64_t>(limit - used + of_files, 0, limit);
}

}  // namespace

int64_t available_memory_bytes(const std::string& groups, const std::string& mount,
                               const std::string& system) {
  const int64_t whole = number_of(system, "MemAvailable:") * 1024;
  int64_t least = whole > 0 ? whole : INT64_MAX;
  each_control_group("memory", groups, mount, [&](const std::string& folder, int version) {
    const int64_t left = left_in(folder, version);
    if (left >= 0) least = std::min(least, left);
  });
  return least == INT64_MAX ? -1 : least;
}

}  // namespace issun
