#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/cpu.h"
#include "kernels/dispatch.h"
#include "measure/json_text.h"
#include "measure/machine.h"

namespace issun::measure {

namespace {

nlohmann::ordered_json first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return kUnavailable;
  return line;
}

// "MemTotal:  24656384 kB" -> bytes.
nlohmann::ordered_json memory_bytes() {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    int64_t kibibytes = 0;
    if (words >> name >> kibibytes && name == "MemTotal:") return kibibytes * 1024;
  }
  return kUnavailable;
}

nlohmann::ordered_json caches() {
  nlohmann::ordered_json found = nlohmann::ordered_json::object();
  for (int index = 0; index < 8; ++index) {
    const std::string folder =
        "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) + "/";
    const auto size = first_line(folder + "size");
    if (size == kUnavailable) break;
    if (first_line(folder + "type") == "Instruction") continue;
    found["L" + first_line(folder + "level").get<std::string>()] = size;
  }
  if (found.empty()) return kUnavailable;
  return found;
}

}  // namespace

nlohmann::ordered_json machine_facts() {
  const CpuFacts& cpu = cpu_facts();
  nlohmann::ordered_json instruction_sets = nlohmann::ordered_json::array();
  for (const kernels::KernelTable* table : kernels::available_kernels())
    instruction_sets.push_back(table->name);
  return {{"processor", cpu.name},
          {"physical_cores", cpu.physical_cores},
          {"logical_cores", cpu.logical_cores},
          {"instruction_sets", instruction_sets},
          {"amx", cpu.amx_int8 || cpu.amx_bf16},
          {"caches", caches()},
          {"memory_bytes", memory_bytes()},
          {"governor", first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")},
          {"kernel", first_line("/proc/sys/kernel/osrelease")},
          {"compiler", __VERSION__}};
}

}  // namespace issun::measure
