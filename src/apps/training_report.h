// What commands that train tell a person while they do, and in the end.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "apps/commands.h"
#include "apps/json.h"
#include "train/progress.h"
#include "train/session.h"

namespace issun::apps {

// Flags of every command that trains in a folder.
struct TrainingFlags {
  int threads = 0;
  bool json = false;
  // --out, --restart, --until, -t, --json
  void add(CLI::App& command, std::string& folder, bool& restart, int64_t& until);
  Result<std::unique_ptr<Workers>> workers() const;
};

class TrainingReport {
 public:
  // Both must outlive it.
  TrainingReport(Workers& workers, const kernels::KernelTable& kernels);

  // The plan and notes as sentences, the progress as a line, all on stderr.
  train::SessionReports reports();
  // To standard output: how the run went and the file it made, as `key` of the JSON; or, where it
  // is not finished, that the folder holds what it needs.
  int finish(const train::RunResult& run, const char* key, const std::string& file,
             const std::string& folder, bool json) const;

 private:
  Json figures(const train::RunResult& run) const;
  // Of pairs: a clause that tells the share of queries nearest to their own text.
  std::string hits_of(const std::optional<double>& share) const;
  std::string summary(const train::RunResult& run) const;
  void tell_plan(const train::SessionPlan& plan);
  void tell_progress(const train::RunProgress& progress);

  Workers& workers_;
  const kernels::KernelTable& kernels_;
  double peak_operations_ = 0;  // per second; 0: not known
  train::SessionPlan plan_;
  train::TimeLeft left_;
  train::Progress progress_;
};

}  // namespace issun::apps
