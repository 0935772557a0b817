// How much of the machine's CPU time the system lets this process have (Linux control groups).
#pragma once

#include <string>

namespace issun {

// The least quota of the process's group and those above it, in CPUs, rounded up; 0: no limit.
// `groups`: what /proc/self/cgroup says; `mount`: the folder where the groups stand.
// Version 2 has cpu.max; version 1 cpu.cfs_quota_us and cpu.cfs_period_us below a folder "cpu".
int cpu_quota(const std::string& groups = "/proc/self/cgroup",
              const std::string& mount = "/sys/fs/cgroup");

}  // namespace issun
