#include "base/cpu.h"

#include <errno.h>
#include <sched.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace issun {

namespace {

#if defined(__x86_64__)
bool bit(unsigned word, int index) { return (word >> index & 1) != 0; }

// Which register files the operating system saves: without it an instruction set may not be used.
unsigned saved_state() {
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

// Tiles are used by those whom the system gave leave, which holds for all threads of the process.
bool may_use_tiles() {
  constexpr long kAskForState = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM of Linux 5.16
  return ::syscall(SYS_arch_prctl, kAskForState, kTileData) == 0;
}

void ask_processor(CpuFacts* facts) {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return;
  const bool fma = bit(c, 12), f16c = bit(c, 29), osxsave = bit(c, 27);
  const unsigned state = osxsave ? saved_state() : 0;
  const bool ymm = (state & 0x6) == 0x6, zmm = (state & 0xe6) == 0xe6,
             tiles = (state & 0x60000) == 0x60000;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
    facts->avx2 = ymm && fma && f16c && bit(b, 5);
    facts->avx512 = zmm && facts->avx2 && bit(b, 16) && bit(b, 17) && bit(b, 30) && bit(b, 31);
    facts->avx512_vnni = facts->avx512 && bit(c, 11);
    if (tiles && bit(d, 24) && may_use_tiles()) {
      facts->amx_bf16 = bit(d, 22);
      facts->amx_int8 = bit(d, 25);
    }
    unsigned a1 = 0, b1 = 0, c1 = 0, d1 = 0;
    if (a >= 1 && __get_cpuid_count(7, 1, &a1, &b1, &c1, &d1)) {
      facts->avx_vnni = facts->avx2 && bit(a1, 4);
      facts->avx512_bf16 = facts->avx512 && bit(a1, 5);
    }
  }
  char text[49] = {};
  for (unsigned i = 0; i < 3; ++i) {
    unsigned words[4] = {};
    if (!__get_cpuid(0x80000002 + i, &words[0], &words[1], &words[2], &words[3])) return;
    __builtin_memcpy(text + 16 * i, words, 16);
  }
  facts->name = text;
  while (!facts->name.empty() && facts->name.back() == ' ') facts->name.pop_back();
}
#elif defined(__aarch64__)
// What the line of /proc/cpuinfo that begins so says; of the first processor.
std::string cpuinfo(std::string_view key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with(key) && colon != std::string::npos) return line.substr(colon + 2);
  }
  return {};
}

// Boards and laptops say what they are in their device tree; servers, which have none, tell only
// numbers of their maker and part.
std::string processor_name() {
  std::string name;
  std::getline(std::ifstream("/proc/device-tree/model"), name, '\0');
  if (name.empty()) name = cpuinfo("model name");
  if (name.empty() && !cpuinfo("CPU part").empty())
    name = "ARM implementer " + cpuinfo("CPU implementer") + ", part " + cpuinfo("CPU part");
  return name.empty() ? "unnamed processor" : name;
}

void ask_processor(CpuFacts* facts) {
  const unsigned long first = ::getauxval(AT_HWCAP), second = ::getauxval(AT_HWCAP2);
  facts->neon = (first & HWCAP_ASIMD) != 0;
  facts->neon_dot = facts->neon && (first & HWCAP_ASIMDDP) != 0;
  facts->neon_matrix = facts->neon_dot && (second & HWCAP2_I8MM) != 0;
  facts->name = processor_name();
}
#else
void ask_processor(CpuFacts* facts) { facts->name = "unnamed processor"; }
#endif

struct FreeSet {
  void operator()(cpu_set_t* set) const { CPU_FREE(set); }
};

// The CPUs this process may run on. The system refuses a set smaller than its own, whose size it
// does not tell.
std::vector<int> allowed_cpus() {
  for (int room = CPU_SETSIZE; room <= 1 << 20; room *= 2) {
    const std::unique_ptr<cpu_set_t, FreeSet> set(CPU_ALLOC(static_cast<size_t>(room)));
    if (set == nullptr) return {};
    const size_t bytes = CPU_ALLOC_SIZE(static_cast<size_t>(room));
    CPU_ZERO_S(bytes, set.get());
    if (::sched_getaffinity(0, bytes, set.get()) != 0) {
      if (errno == EINVAL) continue;
      return {};
    }
    std::vector<int> cpus;
    for (int cpu = 0; cpu < room; ++cpu) {
      if (CPU_ISSET_S(static_cast<size_t>(cpu), bytes, set.get())) cpus.push_back(cpu);
    }
    return cpus;
  }
  return {};
}

// Two hardware threads of one core count once as physical.
void count_cores(CpuFacts* facts) {
  const std::vector<int> cpus = allowed_cpus();
  std::set<std::pair<int, int>> cores;
  for (const int cpu : cpus) {
    const std::string folder = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    int package = 0, core = cpu;
    std::ifstream(folder + "physical_package_id") >> package;
    std::ifstream(folder + "core_id") >> core;
    cores.insert({package, core});
  }
  facts->logical_cores = std::max(1, static_cast<int>(cpus.size()));
  facts->physical_cores = std::max(1, static_cast<int>(cores.size()));
}

}  // namespace

const CpuFacts& cpu_facts() {
  static const CpuFacts facts = [] {
    CpuFacts found;
    ask_processor(&found);
    count_cores(&found);
    return found;
  }();
  return facts;
}

}  // namespace issun
