#include "base/perf_counters.h"

#include <errno.h>
#include <fmt/format.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>

namespace issun {

namespace {

constexpr uint64_t kEvents[PerfCounters::kKinds] = {
    PERF_COUNT_HW_INSTRUCTIONS, PERF_COUNT_HW_CPU_CYCLES, PERF_COUNT_HW_CACHE_MISSES};

int open_counter(uint64_t event) {
  perf_event_attr wanted{};
  wanted.type = PERF_TYPE_HARDWARE;
  wanted.size = sizeof wanted;
  wanted.config = event;
  wanted.inherit = 1;
  wanted.exclude_kernel = 1;  // the strictest setting that is common allows no more
  wanted.exclude_hv = 1;
  wanted.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
  return static_cast<int>(::syscall(SYS_perf_event_open, &wanted, 0, -1, -1, PERF_FLAG_FD_CLOEXEC));
}

std::string why_not(int reason) {
  if (reason == EACCES || reason == EPERM) {
    std::string level;
    std::ifstream("/proc/sys/kernel/perf_event_paranoid") >> level;
    return fmt::format("no permission (kernel.perf_event_paranoid is {})",
                       level.empty() ? "not told" : level);
  }
  if (reason == ENOENT || reason == ENODEV || reason == EOPNOTSUPP)
    return "the processor shows no such counter here, as in most virtual machines";
  if (reason == ENOSYS) return "the kernel has no performance counters";
  return ::strerror(reason);
}

}  // namespace

PerfCounters::PerfCounters() {
  for (size_t kind = 0; kind < kKinds; ++kind) {
    descriptors_[kind] = open_counter(kEvents[kind]);
    if (descriptors_[kind] < 0) failures_[kind] = why_not(errno);
  }
}

PerfCounters::~PerfCounters() {
  for (const int descriptor : descriptors_) {
    if (descriptor >= 0) ::close(descriptor);
  }
}

PerfCounters::Counts PerfCounters::read() const {
  Counts counts;
  for (size_t kind = 0; kind < kKinds; ++kind) {
    if (descriptors_[kind] < 0) {
      counts[kind].why = failures_[kind];
      continue;
    }
    uint64_t found[3] = {};  // count, nanoseconds wanted, nanoseconds counted
    if (::read(descriptors_[kind], found, sizeof found) != sizeof found) {
      counts[kind].why = "the counter cannot be read";
    } else if (found[2] == 0) {
      counts[kind].why = "the processor had no counter free";
    } else {
      counts[kind].value = static_cast<double>(found[0]) * static_cast<double>(found[1]) /
                           static_cast<double>(found[2]);
    }
  }
  return counts;
}

PerfCounters::Counts operator-(const PerfCounters::Counts& after,
                               const PerfCounters::Counts& before) {
  PerfCounters::Counts cost;
  for (size_t kind = 0; kind < cost.size(); ++kind) {
    cost[kind].why = after[kind].available() ? before[kind].why : after[kind].why;
    if (cost[kind].available()) cost[kind].value = after[kind].value - before[kind].value;
  }
  return cost;
}

}  // namespace issun
