// A study as one page of HTML: no script, nothing from elsewhere, for light and dark.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "measure/study/summary.h"

namespace issun::measure {

struct ReportFacts {
  // What was fixed and is to be known: name and value, in order.
  std::vector<std::pair<std::string, std::string>> conditions;
};

// The same records give the same bytes.
std::string study_report(const StudyPlan& plan, const std::vector<StudyRecord>& records,
                         const ReportFacts& facts);

}  // namespace issun::measure
