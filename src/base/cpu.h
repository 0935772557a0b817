// What this processor can do, asked once.
#pragma once

#include <string>

namespace issun {

struct CpuFacts {
  std::string name;       // as the processor calls itself
  int logical_cores = 1;  // usable by this process
  int physical_cores = 1;
  bool avx2 = false;  // AVX2 with FMA and F16C, usable by the system
  bool avx_vnni = false;
  bool avx512 = false;  // F, BW, DQ, VL
  bool avx512_vnni = false;
  bool avx512_bf16 = false;
  bool amx_int8 = false, amx_bf16 = false;
};

// Filled at the first call, then constant.
const CpuFacts& cpu_facts();

}  // namespace issun
