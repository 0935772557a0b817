#include "measure/study/energy.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <set>
#include <string_view>

#include "base/file.h"
#include "base/folder.h"

namespace issun::measure {

namespace {

std::optional<int64_t> read_number(const std::string& path) {
  std::ifstream file(path);
  int64_t value = 0;
  return file >> value && value >= 0 ? std::optional(value) : std::nullopt;
}

std::string read_word(const std::string& path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return word;
}

// "intel-rapl:0:2" -> "intel-rapl:0", "intel-rapl:0" -> "".
std::string parent_of(const std::string& zone) {
  const size_t last = zone.rfind(':');
  return zone.find(':') == last ? "" : zone.substr(0, last);
}

bool is_virtual_machine(const std::string& cpu_facts) {
  std::ifstream file(cpu_facts);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("flags")) return line.find(" hypervisor") != std::string::npos;
  }
  return false;
}

bool is_package(const std::string& name) { return name.starts_with("package"); }

struct Found {
  std::string folder, name, parent;  // parent: the name of the zone around it
};

std::vector<Found> find_zones(const std::string& root) {
  std::vector<Found> zones;
  const auto names = list_folder(root);
  if (!names) return zones;
  for (const std::string& folder : *names) {
    if (folder.find(':') == std::string::npos) continue;  // the kinds of control themselves
    const std::string name = read_word(root + "/" + folder + "/name");
    if (name.empty()) continue;
    const std::string parent = parent_of(folder);
    zones.push_back({folder, name, parent.empty() ? "" : read_word(root + "/" + parent + "/name")});
  }
  // Of two that count the same, the older interface first.
  std::stable_partition(zones.begin(), zones.end(), [](const Found& zone) {
    return zone.folder.find("mmio") == std::string::npos;
  });
  return zones;
}

}  // namespace

double wrapped_joules(int64_t before, int64_t after, int64_t range) {
  int64_t rise = after - before;
  if (rise < 0 && range > 0) rise = (rise % range + range) % range;
  return static_cast<double>(rise) * 1e-6;
}

EnergyMeter EnergyMeter::open(const std::string& root, const std::string& cpu_facts) {
  EnergyMeter meter;
  const std::vector<Found> found = find_zones(root);
  const bool packages = std::any_of(found.begin(), found.end(),
                                    [](const Found& zone) { return is_package(zone.name); });
  std::set<std::string> seen;
  std::string unreadable;
  for (const Found& zone : found) {
    const std::string whole = zone.parent.empty() ? zone.name : zone.parent + "/" + zone.name;
    if (zone.name == "psys" && packages) {
      meter.left_out_.push_back("psys (around the packages)");
    } else if (!is_package(zone.name) && zone.name != "psys" && zone.name != "dram") {
      meter.left_out_.push_back(fmt::format(
          "{} ({})", zone.name, zone.parent.empty() ? "not known" : "inside " + zone.parent));
    } else if (!seen.insert(whole).second) {
      meter.left_out_.push_back(fmt::format("{} ({} again)", zone.folder, whole));
    } else {
      const std::string path = root + "/" + zone.folder + "/energy_uj";
      const auto range = read_number(root + "/" + zone.folder + "/max_energy_range_uj");
      const auto now = read_number(path);
      if (now && range && *range > 0) {
        meter.zones_.push_back({whole, path, *range, *now});
      } else {
        seen.erase(whole);
        unreadable = fmt::format("{} cannot be read: on most systems root alone may", path);
        meter.left_out_.push_back(fmt::format("{} (cannot be read)", whole));
      }
    }
  }
  // Memory alone is not what the machine took.
  if (std::all_of(meter.zones_.begin(), meter.zones_.end(),
                  [](const Zone& zone) { return zone.name.ends_with("dram"); })) {
    meter.zones_.clear();
    meter.why_ = !unreadable.empty() ? unreadable : fmt::format("no energy counter in {}", root);
    if (unreadable.empty() && is_virtual_machine(cpu_facts))
      meter.why_ += ", as in most virtual machines, of which this is one";
  }
  return meter;
}

std::string EnergyMeter::counted() const {
  std::string names;
  for (const Zone& zone : zones_) names += (names.empty() ? "" : ", ") + zone.name;
  return names;
}

Result<double> EnergyMeter::joules() {
  for (Zone& zone : zones_) {
    const auto now = read_number(zone.path);
    if (!now) return fail("{}: cannot be read any more", zone.path);
    joules_ += wrapped_joules(zone.last, *now, zone.range);
    zone.last = *now;
  }
  return joules_;
}

EnergyEstimate estimate_energy(double share, double watts, double seconds) {
  const double joules = share * watts * seconds;
  return {joules, joules / 3600};
}

}  // namespace issun::measure
