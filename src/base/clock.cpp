#include "base/clock.h"

#include <time.h>

#include <cmath>

#include "base/terminal.h"

namespace issun {

namespace {
double read_clock(clockid_t id) {
  timespec t{};
  ::clock_gettime(id, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}
}  // namespace

double seconds_now() { return read_clock(CLOCK_MONOTONIC); }

long long unix_seconds() { return static_cast<long long>(std::floor(read_clock(CLOCK_REALTIME))); }

void wait_seconds(double seconds) {
  const double until = seconds_now() + seconds;
  for (double left = seconds; left > 0 && !Interrupts::pending(); left = until - seconds_now()) {
    const double whole = std::floor(left);
    const timespec pause{static_cast<time_t>(whole), static_cast<long>((left - whole) * 1e9)};
    ::nanosleep(&pause, nullptr);  // a signal ends it early
  }
}

double cpu_seconds() { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }

}  // namespace issun
