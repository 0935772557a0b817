#include "measure/usage.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "base/clock.h"

namespace issun::measure {

namespace {

// Adds up the context switches of all threads that live now; those of threads that have ended are
// not told.
void count_switches(const std::string& process, Usage* usage) {
  std::error_code error;
  for (std::filesystem::directory_iterator task(process + "/task", error), end;
       !error && task != end; task.increment(error)) {
    std::ifstream status(task->path() / "status");
    for (std::string line; std::getline(status, line);) {
      std::istringstream words(line);
      std::string key;
      int64_t count = 0;
      if (!(words >> key >> count)) continue;
      if (key == "voluntary_ctxt_switches:")
        usage->voluntary_switches = usage->voluntary_switches.value_or(0) + count;
      if (key == "nonvoluntary_ctxt_switches:") {
        usage->involuntary_switches = usage->involuntary_switches.value_or(0) + count;
      }
    }
  }
}

// The tenth number after the name in parentheses, which may itself hold spaces and parentheses.
std::optional<int64_t> major_faults(const std::string& process) {
  std::ifstream file(process + "/stat");
  std::string line;
  std::getline(file, line);
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream words(line.substr(name_end + 1));
  std::string word;
  for (int i = 0; i < 10; ++i) {
    if (!(words >> word)) return std::nullopt;
  }
  std::istringstream number(word);
  int64_t faults = 0;
  return number >> faults ? std::optional(faults) : std::nullopt;
}

std::optional<int64_t> difference(std::optional<int64_t> after, std::optional<int64_t> before) {
  return after && before ? std::optional(*after - *before) : std::nullopt;
}

}  // namespace

Usage Usage::operator-(const Usage& before) const {
  return {wall_seconds - before.wall_seconds, cpu_seconds - before.cpu_seconds,
          difference(voluntary_switches, before.voluntary_switches),
          difference(involuntary_switches, before.involuntary_switches),
          difference(major_faults, before.major_faults)};
}

Usage usage_now(const std::string& proc) {
  Usage usage;
  count_switches(proc + "/self", &usage);
  usage.major_faults = major_faults(proc + "/self");
  usage.cpu_seconds = issun::cpu_seconds();
  usage.wall_seconds = seconds_now();
  return usage;
}

}  // namespace issun::measure
