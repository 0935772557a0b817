#include "measure/study/memory_use.h"

#include <fmt/format.h>

#include <fstream>
#include <sstream>

namespace issun::measure {

namespace {

// The number of bytes in a line "Pss:   120 kB" of a file.
Measured kibibytes(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  if (!file) return Measured::unavailable(fmt::format("{} cannot be read", path));
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    double value = 0;
    if (words >> name >> value && name == key + ":") return measured(value * 1024);
  }
  return Measured::unavailable(fmt::format("{} has no {}", path, key));
}

// A whole file that is a number.
std::optional<double> number_in(const std::string& path) {
  std::ifstream file(path);
  double value = 0;
  return file >> value ? std::optional(value) : std::nullopt;
}

// Version 2 has one hierarchy ("0::/path") and memory.peak; version 1 one for memory
// ("4:memory:/path") and memory.max_usage_in_bytes.
Measured group_peak(const std::string& membership, const std::string& groups) {
  std::ifstream file(membership);
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string kinds = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (kinds.empty()) {
      if (const auto peak = number_in(groups + path + "/memory.peak")) return measured(*peak);
    }
    if ((',' + kinds + ',').find(",memory,") != std::string::npos) {
      const std::string own = groups + "/memory" + path + "/memory.max_usage_in_bytes";
      if (const auto peak = number_in(own)) return measured(*peak);
    }
  }
  return Measured::unavailable("no control group that counts memory");
}

}  // namespace

Metrics memory_use(const std::string& proc, const std::string& groups) {
  const std::string rollup = proc + "/self/smaps_rollup";
  return {{"peak_resident_bytes", kibibytes(proc + "/self/status", "VmHWM")},
          {"pss_bytes", kibibytes(rollup, "Pss")},
          {"pss_anonymous_bytes", kibibytes(rollup, "Pss_Anon")},
          {"pss_file_bytes", kibibytes(rollup, "Pss_File")},
          {"cgroup_peak_bytes", group_peak(proc + "/self/cgroup", groups)}};
}

}  // namespace issun::measure
