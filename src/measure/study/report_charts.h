// The charts of a study's report.
#pragma once

#include <string>

#include "measure/study/summary.h"

namespace issun::measure {

// Speed, memory and energy over quality: a point an arm. Empty without quality.
std::string quality_charts(const StudyPlan& plan, const StudySummary& summary);
// A bar an arm, mean and 95 % confidence.
std::string arm_bars(const StudyPlan& plan, const StudySummary& summary);
// Lines over threads and over contexts, where a study has at least two.
std::string sweep_charts(const StudyPlan& plan, const StudySummary& summary);

}  // namespace issun::measure
