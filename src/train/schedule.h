// Schedule: how large the steps of the optimiser are, step by step.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace issun::train {

enum class Decay {
  Constant,  // the peak until the end
  Linear,    // straight down to the least
  Cosine,    // half a period of a cosine (Loshchilov and Hutter 2016, without restarts)
  Wsd,       // the peak, then straight down over the last steps (Hu et al. 2024, MiniCPM)
};
// "constant", "linear", "cosine" or "wsd"; error: another name.
Result<Decay> decay_from_name(std::string_view name);

struct Schedule {
  Decay decay = Decay::Cosine;
  double peak = 1e-3;        // learning rate
  double least_share = 0.1;  // of the peak: what it comes down to at the last step; 0 to 1
  int64_t steps = 0;         // in all
  int64_t warmup = 0;        // the first steps, straight up to the peak
  double decay_share = 0.2;  // Wsd: of all steps, those on the way down; above 0, at most 1
};

// Error: a number outside its range, or a warmup that leaves no step.
Result<void> check(const Schedule& schedule);

// Of step 0 .. steps - 1; beyond them that of the last. The schedule is one that check() accepts.
double learning_rate(const Schedule& schedule, int64_t step);

}  // namespace issun::train
