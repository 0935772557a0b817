// How much memory this process may still take before the system gives others' away.
#pragma once

#include <cstdint>
#include <string>

namespace issun {

// Bytes: what the system says is available, and no more than the process's control group and those
// above it have left (what they hold of files counts as free). -1: not known.
// `groups`, `mount`: as in base/cpu_quota.h; `system`: what /proc/meminfo says.
int64_t available_memory_bytes(const std::string& groups = "/proc/self/cgroup",
                               const std::string& mount = "/sys/fs/cgroup",
                               const std::string& system = "/proc/meminfo");

}  // namespace issun
