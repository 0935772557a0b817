// What a study's records say together: the runs of one setting as mean and interval, each arm's
// quality, and what is missing and why.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "measure/study/records.h"
#include "measure/study/statistics.h"

namespace issun::measure {

// All runs of an arm with the same task, context and threads.
struct StudyGroup {
  StudyTask task = StudyTask::Speed;
  int arm = 0, context = 0, threads = 0;
  int runs = 0, failed = 0;
  std::map<std::string, Spread, std::less<>> figures;
  std::map<std::string, std::string, std::less<>> missing;  // why there is none

  const Spread* find(std::string_view metric) const;
};

struct StudySummary {
  std::vector<StudyGroup> groups;  // by task, arm, context, threads
  int done = 0, failed = 0;
  // Reason -> what is missing for it ("energy, run, gross; idle before"), in the order of metrics.
  std::map<std::string, std::string> unavailable;
  std::vector<std::string> failures;       // "run: reason"
  std::vector<std::string> unsteady_idle;  // runs whose two idle baselines disagree

  // nullptr: there is none.
  const StudyGroup* find(StudyTask task, int arm, int context, int threads) const;
  // Of the shortest context and the first number of threads that the arm has: what arms are
  // compared by.
  const StudyGroup* first_speed(const StudyPlan& plan, int arm) const;
  // Of that context, or of the shortest one there is.
  const StudyGroup* quality(int arm, int context) const;
};

StudySummary summarise(const StudyPlan& plan, const std::vector<StudyRecord>& records);

// One row a run in the order they were done, a column a figure; what is unavailable says why.
std::string study_csv(const StudyPlan& plan, const std::vector<StudyRecord>& records);

// About how long the runs that are left will take: those done of the same task, else all, on
// average. nullopt before the first.
std::optional<double> seconds_left(const StudyPlan& plan, const std::vector<StudyRecord>& records);

}  // namespace issun::measure
