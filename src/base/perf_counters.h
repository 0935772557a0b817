// What the processor itself counts of this process: instructions, cycles, misses of the last cache.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace issun {

// Counts in user space, of this thread and of all threads that it makes afterwards. Many machines
// (virtual ones, containers) have no counters or give no leave: each that is missing says why.
class PerfCounters {
 public:
  enum Kind { Instructions, Cycles, CacheMisses, kKinds };
  struct Count {
    double value = 0;  // scaled where the processor had to share its counters out
    std::string why;   // empty: there is a value; else why there is none
    bool available() const { return why.empty(); }
  };
  using Counts = std::array<Count, kKinds>;

  // Begins to count. Make it before the threads.
  PerfCounters();
  ~PerfCounters();
  PerfCounters(const PerfCounters&) = delete;
  PerfCounters& operator=(const PerfCounters&) = delete;
  // Since the beginning.
  Counts read() const;

 private:
  std::array<int, kKinds> descriptors_;
  std::array<std::string, kKinds> failures_;
};

// What lies between two answers; a count that either lacks is missing.
PerfCounters::Counts operator-(const PerfCounters::Counts& after,
                               const PerfCounters::Counts& before);

}  // namespace issun
