// Does the runs of a study, each in a child process, and measures from outside what belongs
// outside: the whole process's time, switches and faults, the energy of the machine, and its idle
// power before and after.
#pragma once

#include <optional>
#include <string>

#include "base/process.h"
#include "measure/study/energy.h"
#include "measure/study/records.h"

namespace issun::measure {

struct RunnerOptions {
  std::string program;         // this one, for the children
  double idle_seconds = 1;     // of each measurement of the idle power; where there are counters
  double timeout_seconds = 0;  // of a run; 0: none
  std::string powercap = "/sys/class/powercap";
};

class StudyRunner {
 public:
  // Both must outlive the runner. Writes the prompts and the text beside the plan, for the
  // children.
  static Result<StudyRunner> create(const StudyPlan& plan, const StudyFolder& folder,
                                    RunnerOptions options);

  // The record of a run, also of one that failed; nullopt when Ctrl-C came. Error: a child cannot
  // be started at all.
  Result<std::optional<StudyRecord>> run(const StudyRun& run);

  const EnergyMeter& meter() const { return meter_; }

 private:
  StudyRunner(const StudyPlan& plan, const StudyFolder& folder, RunnerOptions options)
      : plan_(plan),
        folder_(folder),
        options_(std::move(options)),
        meter_(EnergyMeter::open(options_.powercap)) {}
  std::vector<std::string> command(const StudyRun& run) const;
  Result<StudyRecord> read(const StudyRun& run, const ChildEnd& end) const;
  std::optional<double> idle_watts();

  const StudyPlan& plan_;
  const StudyFolder& folder_;
  RunnerOptions options_;
  EnergyMeter meter_;
};

// What follows from a child's own figures and those from outside: energy without the idle power,
// the estimate if it was asked for.
struct Outside {
  double wall_seconds = 0;
  ResourceUse use;
  std::optional<double> joules, idle_before, idle_after;  // watts
  std::string why_no_energy;
};
void add_outside(const Outside& outside, std::optional<double> estimate_watts, int logical_cores,
                 Metrics& metrics);

}  // namespace issun::measure
