// The folder of a study: its plan, and a line for each run that is done. It survives a kill at any
// moment.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "measure/study/metrics.h"
#include "measure/study/plan.h"

namespace issun::measure {

struct StudyAnswer {
  std::string text;
  std::string finish;  // why it ended
  bool operator==(const StudyAnswer&) const = default;
};

struct StudyRecord {
  std::string id;      // of the run in the plan
  int order = 0;       // the how manieth it was, from 1
  std::string failed;  // why there are no figures; empty: there are
  Metrics metrics;
  std::map<std::string, std::string> facts;  // that are no figures: instruction set, programs
  std::vector<StudyAnswer> answers;          // one a prompt
};

// One line without its end, and back. Error: a line that is no record.
std::string to_line(const StudyRecord& record);
Result<StudyRecord> record_from_line(std::string_view line);

// What a child says of its run: the same without id and order.
Result<StudyRecord> record_from_json(const Json& json);

// The records of a whole file. A last line that was cut off, or is damaged, is left out. Error: any
// other line that is no record, by its number.
Result<std::vector<StudyRecord>> read_records(std::string_view text, const std::string& name);

class StudyFolder {
 public:
  // Makes the folder where there is none, and keeps the plan in it. Error: the folder holds a study
  // with another plan (the first difference is named), a run that is not in the plan, a damaged
  // file, or the disk.
  static Result<StudyFolder> open(const std::string& path, const StudyPlan& plan,
                                  const nlohmann::ordered_json& plan_json);

  // A folder that is not made: without runs.
  static StudyFolder none() { return StudyFolder(""); }

  const std::string& path() const { return path_; }
  std::string file(const char* name) const { return path_ + "/" + name; }
  const std::vector<StudyRecord>& records() const { return records_; }
  bool has(const std::string& id) const;
  // To the disk itself before it returns.
  Result<void> add(StudyRecord record);

 private:
  explicit StudyFolder(std::string path) : path_(std::move(path)) {}
  Result<void> read_runs(const StudyPlan& plan);
  std::string path_;
  File runs_;
  std::vector<StudyRecord> records_;
};

}  // namespace issun::measure
