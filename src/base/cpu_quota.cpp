#include "base/cpu_quota.h"

#include <algorithm>
#include <cmath>
#include <fstream>

#include "base/control_groups.h"

namespace issun {

namespace {

// Microseconds of CPU time in every so many; "max" and -1 mean no limit, as does a missing file.
int quota_of(const std::string& folder, int version) {
  double quota = 0, period = 0;
  if (version == 2) {
    std::ifstream(folder + "/cpu.max") >> quota >> period;
  } else {
    std::ifstream(folder + "/cpu.cfs_quota_us") >> quota;
    std::ifstream(folder + "/cpu.cfs_period_us") >> period;
  }
  if (!(quota > 0) || !(period > 0)) return 0;
  return static_cast<int>(std::min(std::ceil(quota / period), 65536.0));
}

int lesser(int a, int b) { return a == 0 || b == 0 ? std::max(a, b) : std::min(a, b); }

}  // namespace

int cpu_quota(const std::string& groups, const std::string& mount) {
  int least = 0;
  each_control_group("cpu", groups, mount, [&](const std::string& folder, int version) {
    least = lesser(least, quota_of(folder, version));
  });
  return least;
}

}  // namespace issun
