// Loops that do nothing but arithmetic in registers, to learn how much of it a core can do.
#pragma once

#include <cstdint>
#include <string_view>

namespace issun::measure {

// Multiplications and additions, one each counted, in registers only.
struct PeakLoop {
  const char* instruction;          // for the report; nullptr: no loop for this instruction set
  void (*run)(int64_t iterations);  // on the calling thread
  double operations;                // of one iteration
};

// By the names of kernel tables (kernels/dispatch.h). The processor must be able to run that table.
PeakLoop f32_peak_loop(std::string_view isa);
PeakLoop int8_peak_loop(std::string_view isa);
PeakLoop bf16_peak_loop(std::string_view isa);  // none for tiles

}  // namespace issun::measure
