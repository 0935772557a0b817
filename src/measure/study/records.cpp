#include "measure/study/records.h"

#include <algorithm>
#include <set>

#include "base/folder.h"
#include "base/quote.h"
#include "measure/json_text.h"

namespace issun::measure {

namespace {

using Written = nlohmann::ordered_json;

std::string text_or_nothing(const Json& json) { return json.is_string() ? json.text() : ""; }

// Which member differs first, and how.
std::string difference(const Written& there, const Written& here) {
  for (const auto& [key, value] : here.items()) {
    if (there.is_object() && there.contains(key) && there[key] == value) continue;
    const std::string found =
        there.is_object() && there.contains(key) ? dump(there[key]) : "nothing";
    if (value.is_object() && there.is_object() && there.contains(key))
      return key + ": " + difference(there[key], value);
    return fmt::format("{} is {} there and {} here", key, printable(found), printable(dump(value)));
  }
  return "it has more in it";
}

}  // namespace

std::string to_line(const StudyRecord& record) {
  Written json = {{"run", record.id}, {"order", record.order}};
  if (!record.failed.empty()) json["failed"] = record.failed;
  json["metrics"] = to_json(record.metrics);
  if (!record.facts.empty()) json["facts"] = record.facts;
  for (const StudyAnswer& answer : record.answers)
    json["answers"].push_back({{"text", answer.text}, {"finish", answer.finish}});
  return dump(json);
}

Result<StudyRecord> record_from_json(const Json& json) {
  StudyRecord record;
  record.metrics = TRY(metrics_from_json(json["metrics"]));
  record.failed = text_or_nothing(json["failed"]);
  for (const auto& [key, value] : json["facts"].members())
    record.facts[key] = text_or_nothing(value);
  for (const Json& answer : json["answers"].items())
    record.answers.push_back({text_or_nothing(answer["text"]), text_or_nothing(answer["finish"])});
  return record;
}

Result<StudyRecord> record_from_line(std::string_view line) {
  const Json json = TRY(Json::parse(line));
  if (!json["run"].is_string() || !json["order"].is_integer())
    return fail("expected a run's name and order");
  StudyRecord record = TRY(record_from_json(json));
  record.id = json["run"].text();
  record.order = static_cast<int>(json["order"].integer());
  return record;
}

Result<std::vector<StudyRecord>> read_records(std::string_view text, const std::string& name) {
  std::vector<StudyRecord> records;
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    const bool last = end == std::string_view::npos || end + 1 == text.size();
    auto record = record_from_line(text.substr(0, end));
    if (end == std::string_view::npos) break;  // a write that was cut off
    if (!record && last) break;                // or that never reached the disk
    if (!record) return fail("{}: line {}: {}", name, number, record.error().message);
    records.push_back(std::move(*record));
    text.remove_prefix(end + 1);
  }
  return records;
}

Result<StudyFolder> StudyFolder::open(const std::string& path, const StudyPlan& plan,
                                      const Written& plan_json) {
  TRY(make_folder(path));
  StudyFolder folder(path);
  const std::string plan_file = folder.file("plan.json");
  if (is_file(plan_file)) {
    const std::string text = TRY(read_text(plan_file));
    const Written there = Written::parse(text, nullptr, false);
    const Written here = Written::parse(dump(plan_json), nullptr, false);  // as the file has it
    if (there != here) {
      return fail("{}: holds a study with another plan: {}; expected the same plan or a new folder",
                  path, there.is_discarded() ? "plan.json is damaged" : difference(there, here));
    }
  } else {
    if (is_file(folder.file("runs.jsonl")))
      return fail("{}: expected a plan.json beside runs.jsonl, found none", path);
    TRY(write_atomically(plan_file, dump(plan_json, 2) + "\n"));
  }
  TRY(folder.read_runs(plan));
  return folder;
}

Result<void> StudyFolder::read_runs(const StudyPlan& plan) {
  const std::string name = file("runs.jsonl");
  std::string text, whole;
  if (is_file(name)) text = TRY(read_text(name));
  records_ = TRY(read_records(text, name));
  std::set<std::string> expected;
  for (const StudyRun& run : plan.runs) expected.insert(plan.id(run));
  for (const StudyRecord& record : records_) {
    if (expected.erase(record.id) == 0)
      return fail("{}: expected each run of the plan at most once, found '{}'", name,
                  printable(record.id));
    whole += to_line(record) + "\n";
  }
  if (whole != text) TRY(write_atomically(name, whole));
  runs_ = TRY(File::open_for_appending(name));
  return {};
}

bool StudyFolder::has(const std::string& id) const {
  return std::any_of(records_.begin(), records_.end(),
                     [&](const StudyRecord& record) { return record.id == id; });
}

Result<void> StudyFolder::add(StudyRecord record) {
  TRY(runs_.write(to_line(record) + "\n"));
  TRY(runs_.sync());
  records_.push_back(std::move(record));
  return {};
}

}  // namespace issun::measure
