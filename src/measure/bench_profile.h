// Where the time of a benchmark's case goes, step by step.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "measure/bench.h"

namespace issun::measure {

struct CaseProfile {
  model::Profile passes;        // of the repetitions that count
  double choosing_seconds = 0;  // a token from logits; 0: the case chooses none
};

// Seconds that the default sampler takes to choose a token of a vocabulary after `history` others:
// the median of some runs on random logits of a normal distribution of deviation 3.
double seconds_to_choose(int vocabulary_size, int history);

// The steps that took time, longest first; the shares of products, attention and the rest.
std::string profile_table(const CaseProfile& profile, const BenchTimes& times);
nlohmann::ordered_json to_json(const CaseProfile& profile);

}  // namespace issun::measure
