// What a part of a run costs: seconds, processor time, faults and switches, counters, energy.
#pragma once

#include <optional>
#include <string>

#include "base/perf_counters.h"
#include "base/process.h"
#include "measure/study/energy.h"

namespace issun::measure {

struct PhaseCost {
  double seconds = 0;
  ResourceUse use;
  PerfCounters::Counts counts;
  std::optional<double> joules;  // of the whole machine
};

// Measures one phase after another. Make it before the threads whose work it counts.
class PhaseClock {
 public:
  explicit PhaseClock(const std::string& powercap);
  // What happened since the last lap, or since the beginning.
  PhaseCost lap();
  // Within a long phase, now and then: a counter of energy must not wrap twice unseen.
  void tick();
  const EnergyMeter& meter() const { return meter_; }

 private:
  struct Now {
    double seconds = 0;
    ResourceUse use;
    PerfCounters::Counts counts;
    std::optional<double> joules;
  };
  Now now();

  PerfCounters counters_;
  EnergyMeter meter_;
  Now last_;
  double ticked_ = 0;
};

}  // namespace issun::measure
