// The experts of each layer that a routing trace shows to be used most, given a type of their own.
#pragma once

#include <string>
#include <vector>

#include "experts/trace.h"
#include "quantize/plan.h"

namespace issun::quantize {

struct HotExperts {
  std::string trace;  // its file
  double share = 0;   // of a layer's experts, above 0 and up to 1
  DType type = DType::F32;
};

// "TRACE:SHARE:TYPE". Error: another text.
Result<HotExperts> parse_hot_experts(const std::string& text);

// One rule for each matrix of the most used experts of each layer, rounded up to a whole number of
// them; of equals the first. Experts that the trace never met are not among them. Error: experts of
// the source in stacks, or layers and numbers of experts that are not those of the trace.
Result<std::vector<TypeRule>> hot_expert_rules(const gguf::GgufFile& source,
                                               const experts::Trace& trace, const HotExperts& hot);

}  // namespace issun::quantize
