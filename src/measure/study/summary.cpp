#include "measure/study/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

namespace issun::measure {

namespace {

std::map<std::string, const StudyRecord*> by_id(const std::vector<StudyRecord>& records) {
  std::map<std::string, const StudyRecord*> found;
  for (const StudyRecord& record : records) found[record.id] = &record;
  return found;
}

void add_record(const StudyRecord& record, std::map<std::string, std::vector<double>>& values,
                StudyGroup& group) {
  ++group.runs;
  if (!record.failed.empty()) {
    ++group.failed;
    return;
  }
  for (const auto& [key, metric] : record.metrics) {
    if (metric.value) {
      values[key].push_back(*metric.value);
    } else {
      group.missing[key] = metric.why;
    }
  }
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

auto key_of(const StudyRun& run) {
  return std::tuple(static_cast<int>(run.task), run.arm, run.context, run.threads);
}

}  // namespace

const Spread* StudyGroup::find(std::string_view metric) const {
  const auto found = figures.find(metric);
  return found == figures.end() ? nullptr : &found->second;
}

const StudyGroup* StudySummary::find(StudyTask task, int arm, int context, int threads) const {
  for (const StudyGroup& group : groups) {
    if (group.task == task && group.arm == arm && group.context == context &&
        group.threads == threads)
      return &group;
  }
  return nullptr;
}

const StudyGroup* StudySummary::first_speed(const StudyPlan& plan, int arm) const {
  const auto found =
      find(StudyTask::Speed, arm, plan.options.contexts.front(), plan.options.threads.front());
  if (found != nullptr) return found;
  for (const StudyGroup& group : groups) {
    if (group.task == StudyTask::Speed && group.arm == arm) return &group;
  }
  return nullptr;
}

const StudyGroup* StudySummary::quality(int arm, int context) const {
  if (const StudyGroup* found = find(StudyTask::Quality, arm, context, 0)) return found;
  for (const StudyGroup& group : groups) {
    if (group.task == StudyTask::Quality && group.arm == arm) return &group;
  }
  return nullptr;
}

StudySummary summarise(const StudyPlan& plan, const std::vector<StudyRecord>& records) {
  StudySummary summary;
  const auto found = by_id(records);
  std::map<decltype(key_of(StudyRun())), std::vector<const StudyRun*>> grouped;
  for (const StudyRun& run : plan.runs) grouped[key_of(run)].push_back(&run);
  for (const auto& [key, runs] : grouped) {
    StudyGroup group{.task = runs[0]->task,
                     .arm = runs[0]->arm,
                     .context = runs[0]->context,
                     .threads = runs[0]->threads,
                     .runs = 0,
                     .failed = 0,
                     .figures = {},
                     .missing = {}};
    std::map<std::string, std::vector<double>> values;
    for (const StudyRun* run : runs) {
      const auto record = found.find(plan.id(*run));
      if (record != found.end()) add_record(*record->second, values, group);
    }
    for (const auto& [metric, list] : values) group.figures[metric] = spread_of(list);
    if (group.runs > 0) summary.groups.push_back(std::move(group));
  }
  std::map<std::string, std::set<std::string>> reasons;
  for (const StudyRecord& record : records) {
    ++summary.done;
    if (!record.failed.empty()) {
      ++summary.failed;
      summary.failures.push_back(record.id + ": " + record.failed);
      continue;
    }
    if (idle_disagrees(record.metrics)) summary.unsteady_idle.push_back(record.id);
    for (const auto& [key, metric] : record.metrics) {
      if (!metric.value) reasons[metric.why].insert(key);
    }
  }
  for (const auto& [why, keys] : reasons) {
    std::string& list = summary.unavailable[why];
    for (const MetricFacts& facts : all_metrics()) {
      if (keys.contains(facts.key)) list += (list.empty() ? "" : "; ") + std::string(facts.label);
    }
  }
  return summary;
}

std::string study_csv(const StudyPlan& plan, const std::vector<StudyRecord>& records) {
  std::string csv = "order,task,arm,model,cache_type_k,cache_type_v,context,threads,run,failed";
  for (const MetricFacts& facts : all_metrics()) csv += "," + std::string(facts.key);
  csv += "\n";
  std::map<std::string, const StudyRun*> runs;
  for (const StudyRun& run : plan.runs) runs[plan.id(run)] = &run;
  for (const StudyRecord& record : records) {
    const StudyRun& run = *runs.at(record.id);
    const StudyArm& arm = plan.arms[static_cast<size_t>(run.arm)];
    const std::string model =
        arm.model < 0 ? arm.command : plan.models[static_cast<size_t>(arm.model)].name;
    csv += fmt::format("{},{},{},{},{},{},{},{},{},{}", record.order, name(run.task),
                       csv_field(arm.name), csv_field(model), arm.key_type, arm.value_type,
                       run.context, run.threads, run.repetition, csv_field(record.failed));
    for (const MetricFacts& facts : all_metrics()) {
      csv += ",";
      const auto metric = record.metrics.find(facts.key);
      if (metric == record.metrics.end()) continue;
      csv += metric->second.value ? fmt::format("{}", *metric->second.value)
                                  : csv_field("unavailable: " + metric->second.why);
    }
    csv += "\n";
  }
  return csv;
}

std::optional<double> seconds_left(const StudyPlan& plan, const std::vector<StudyRecord>& records) {
  if (records.empty()) return std::nullopt;
  const auto found = by_id(records);
  std::map<StudyTask, std::vector<double>> taken;
  std::vector<double> all;
  for (const StudyRun& run : plan.runs) {
    const auto record = found.find(plan.id(run));
    if (record == found.end()) continue;
    const double seconds = value_of(record->second->metrics, "wall_seconds").value_or(0);
    taken[run.task].push_back(seconds);
    all.push_back(seconds);
  }
  double left = 0;
  for (const StudyRun& run : plan.runs) {
    if (found.contains(plan.id(run))) continue;
    const auto same = taken.find(run.task);
    left += spread_of(same == taken.end() ? all : same->second).mean;
  }
  return left;
}

}  // namespace issun::measure
