#include "base/cpu_quota.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

namespace issun {

namespace {

// Microseconds of CPU time in every so many; "max" and -1 mean no limit, as does a missing file.
int quota_of(const std::string& folder, bool version_2) {
  double quota = 0, period = 0;
  if (version_2) {
    std::ifstream(folder + "/cpu.max") >> quota >> period;
  } else {
    std::ifstream(folder + "/cpu.cfs_quota_us") >> quota;
    std::ifstream(folder + "/cpu.cfs_period_us") >> period;
  }
  if (!(quota > 0) || !(period > 0)) return 0;
  return static_cast<int>(std::min(std::ceil(quota / period), 65536.0));
}

int lesser(int a, int b) { return a == 0 || b == 0 ? std::max(a, b) : std::min(a, b); }

// Of a group "/a/b" and all above. Within a container the group may be named as the host sees it
// while the mount shows the container's alone: folders that are not there say nothing.
int quota_along(const std::string& mount, std::string group, bool version_2) {
  int least = 0;
  for (;;) {
    while (group.ends_with('/')) group.pop_back();
    least = lesser(least, quota_of(mount + group, version_2));
    if (group.empty()) return least;
    group.resize(std::min(group.rfind('/'), group.size() - 1));
  }
}

bool lists_cpu(const std::string& controllers) {
  std::istringstream list(controllers);
  for (std::string one; std::getline(list, one, ',');) {
    if (one == "cpu") return true;
  }
  return false;
}

}  // namespace

int cpu_quota(const std::string& groups, const std::string& mount) {
  std::ifstream file(groups);
  int least = 0;
  // "0::/group" in version 2, "4:cpu,cpuacct:/group" in version 1.
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers.empty()) {
      least = lesser(least, quota_along(mount, group, true));
    } else if (lists_cpu(controllers)) {
      least = lesser(least, quota_along(mount + "/cpu", group, false));
    }
  }
  return least;
}

}  // namespace issun
