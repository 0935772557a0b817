// What commands that train tell a person while they do, and in the end.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "apps/json.h"
#include "train/progress.h"
#include "train/session.h"

namespace issun::apps {

class TrainingReport {
 public:
  // Measures what the machine can do at most, so that a speed can be told as a share of it.
  TrainingReport(Workers& workers, const kernels::KernelTable& kernels);

  // The plan and notes as sentences, the progress as a line, all on stderr.
  train::SessionReports reports();
  // The figures of a run, finished or not.
  Json figures(const train::RunResult& run) const;
  // The same as a sentence.
  std::string summary(const train::RunResult& run) const;

 private:
  void tell_plan(const train::SessionPlan& plan);
  void tell_progress(const train::RunProgress& progress);

  double peak_operations_ = 0;  // per second; 0: not known
  std::string isa_;
  int threads_;
  train::SessionPlan plan_;
  train::TimeLeft left_;
  train::Progress progress_;
};

}  // namespace issun::apps
