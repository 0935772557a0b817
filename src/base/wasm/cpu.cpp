// What processor runs the engine that runs this is not told.
#include "base/cpu.h"

#include "base/cpu_quota.h"

namespace issun {

const CpuFacts& cpu_facts() {
  static const CpuFacts facts{.name = "WebAssembly"};
  return facts;
}

int cpu_quota(const std::string&, const std::string&) { return 0; }

}  // namespace issun
