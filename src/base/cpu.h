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
  bool neon = false;         // of ARMv8.0
  bool neon_dot = false;     // its products of four bytes, ARMv8.2
  bool neon_matrix = false;  // its products of small matrices of bytes, ARMv8.6
};

// Filled at the first call, then constant.
const CpuFacts& cpu_facts();

}  // namespace issun
