// Energy by the counters that Linux shows under powercap (RAPL): of the whole machine, not of a
// process.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace issun::measure {

// Joules between two readings of a counter that begins again at 0 after `range` (microjoules).
double wrapped_joules(int64_t before, int64_t after, int64_t range);

class EnergyMeter {
 public:
  // The zones below `root` that are counted, none of which contains another: packages and the
  // memory beside each; where there is no package, the whole platform (psys). core and uncore lie
  // inside a package, psys around it, and a zone that intel-rapl-mmio repeats counts once.
  // A machine without zones, or whose zones cannot be read, makes a meter that is not available.
  // `cpu_facts`: what /proc/cpuinfo says, to tell a virtual machine.
  static EnergyMeter open(const std::string& root = "/sys/class/powercap",
                          const std::string& cpu_facts = "/proc/cpuinfo");

  bool available() const { return !zones_.empty(); }
  // Why not, as one half sentence.
  const std::string& why() const { return why_; }
  // "package-0, dram": what is counted.
  std::string counted() const;
  // "core (inside package-0)": what is there and is not.
  const std::vector<std::string>& left_out() const { return left_out_; }

  // Joules since open(). Call it before a counter can wrap twice, at least every few minutes.
  // Error: a counter that can no longer be read.
  Result<double> joules();

 private:
  struct Zone {
    std::string name, path;
    int64_t range = 0, last = 0;  // microjoules
  };
  std::vector<Zone> zones_;
  std::vector<std::string> left_out_;
  std::string why_;
  double joules_ = 0;
};

// The estimate that is no measurement: `share` of all cores times the watts that the machine is
// said to take when all are busy, over some seconds.
struct EnergyEstimate {
  double joules = 0, watt_hours = 0;
};
EnergyEstimate estimate_energy(double share, double watts, double seconds);

}  // namespace issun::measure
