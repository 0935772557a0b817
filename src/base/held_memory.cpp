// What memory this process holds, as Linux counts it.
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

#include "base/clock.h"

namespace issun {

long long peak_memory_bytes() {
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return static_cast<long long>(usage.ru_maxrss) * 1024;  // Linux counts in KiB
}

long long resident_memory_bytes() {
  long long pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

}  // namespace issun
