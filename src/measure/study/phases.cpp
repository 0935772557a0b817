#include "measure/study/phases.h"

#include "base/clock.h"

namespace issun::measure {

namespace {
constexpr double kTickSeconds = 60;
}

PhaseClock::PhaseClock(const std::string& powercap) : meter_(EnergyMeter::open(powercap)) {
  last_ = now();
  ticked_ = last_.seconds;
}

PhaseClock::Now PhaseClock::now() {
  Now now;
  if (meter_.available()) {
    if (const auto joules = meter_.joules()) now.joules = *joules;
  }
  now.use = own_resource_use();
  now.counts = counters_.read();
  now.seconds = seconds_now();
  return now;
}

PhaseCost PhaseClock::lap() {
  const Now end = now();
  PhaseCost phase{end.seconds - last_.seconds, end.use - last_.use, end.counts - last_.counts, {}};
  if (end.joules && last_.joules) phase.joules = *end.joules - *last_.joules;
  last_ = end;
  ticked_ = end.seconds;
  return phase;
}

void PhaseClock::tick() {
  if (!meter_.available() || seconds_now() - ticked_ < kTickSeconds) return;
  ticked_ = seconds_now();
  (void)meter_.joules();  // adds up inside; a failure shows at the end of the phase
}

}  // namespace issun::measure
