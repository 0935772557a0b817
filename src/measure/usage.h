// What the system says this process used so far: the difference of two answers is the cost of what
// lies between.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace issun::measure {

struct Usage {
  double wall_seconds = 0;
  double cpu_seconds = 0;  // all threads
  // nullopt where the system does not tell.
  std::optional<int64_t> voluntary_switches;    // a thread waited
  std::optional<int64_t> involuntary_switches;  // a thread was made to wait
  std::optional<int64_t> major_faults;          // pages that had to come from the disk

  Usage operator-(const Usage& before) const;
};

// Now. `proc` is the place of the process file system.
Usage usage_now(const std::string& proc = "/proc");

}  // namespace issun::measure
