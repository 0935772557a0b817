// What memory this process holds, as the system splits it.
#pragma once

#include <string>

#include "measure/study/metrics.h"

namespace issun::measure {

// peak_resident_bytes, pss_bytes, pss_anonymous_bytes, pss_file_bytes, cgroup_peak_bytes: each a
// value or why it is unavailable. `proc` and `groups`: where the process file system and the
// control groups stand.
Metrics memory_use(const std::string& proc = "/proc", const std::string& groups = "/sys/fs/cgroup");

}  // namespace issun::measure
