// What this machine can do at most, measured, so that a speed can be told as a share of it; and
// which machine it is.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"
#include "base/threads.h"
#include "kernels/kernels.h"

namespace issun::measure {

enum class Effort {
  Quick,     // under 0.3 s, 256 MiB: for a line of statistics
  Thorough,  // some seconds, 1 GiB: for a benchmark
};

struct MachinePeaks {
  int threads = 0;
  // Reading memory that no cache holds, with plain loads, all threads together.
  double read_bytes_per_second = 0;
  // Arithmetic in registers by the instruction set in use, a multiplication and an addition counted
  // as two; 0 where there is no loop for it ("scalar").
  double f32_operations_per_second = 0, int8_operations_per_second = 0,
         bf16_operations_per_second = 0;
  std::string f32_instruction, int8_instruction, bf16_instruction;
};

// Measured once in a process for the same number of threads, instruction set and effort. The best
// of several short runs. Takes memory for the time of the call: read peak_memory_bytes() before.
// Error: memory that cannot be had.
Result<MachinePeaks> machine_peaks(Workers& workers, const kernels::KernelTable& kernels,
                                   Effort effort);

nlohmann::ordered_json to_json(const MachinePeaks& peaks);

// Processor, cores, memory, system, compiler: what a figure needs beside it to be worth keeping.
// What the system does not tell is "unavailable".
nlohmann::ordered_json machine_facts();

}  // namespace issun::measure
