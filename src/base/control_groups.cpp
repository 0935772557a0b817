#include "base/control_groups.h"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace issun {

namespace {

bool lists(const std::string& controllers, const std::string& wanted) {
  std::istringstream list(controllers);
  for (std::string one; std::getline(list, one, ',');) {
    if (one == wanted) return true;
  }
  return false;
}

// Of a group "/a/b": "/a/b", "/a" and "".
void each_above(const std::string& mount, std::string group, int version,
                const std::function<void(const std::string&, int)>& visit) {
  for (;;) {
    while (group.ends_with('/')) group.pop_back();
    visit(mount + group, version);
    if (group.empty()) return;
    group.resize(std::min(group.rfind('/'), group.size() - 1));
  }
}

}  // namespace

void each_control_group(const std::string& controller, const std::string& groups,
                        const std::string& mount,
                        const std::function<void(const std::string&, int)>& visit) {
  std::ifstream file(groups);
  // "0::/group" in version 2, "4:cpu,cpuacct:/group" in version 1.
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers.empty()) {
      each_above(mount, group, 2, visit);
    } else if (lists(controllers, controller)) {
      each_above(mount + "/" + controller, group, 1, visit);
    }
  }
}

}  // namespace issun
