// Penalties for what was said before: each token on its own.
#pragma once

#include <cstdint>
#include <span>

#include "engine/sampling/candidates.h"
#include "engine/sampling/options.h"

namespace issun::engine {

// The last n of the tokens; all for -1.
std::span<const int32_t> recent(std::span<const int32_t> history, int last_n);

// A recent token's logit is divided by repeat_penalty if positive and multiplied if not (Keskar et
// al. 2019, section 4.1, mended for negative logits as all engines do), then loses presence_penalty
// and, for each time it occurred, frequency_penalty (the API of OpenAI).
// marks: (vocabulary), 0 before and after.
void penalise(Candidates& candidates, const SamplerOptions& options,
              std::span<const int32_t> history, std::span<int32_t> marks);

}  // namespace issun::engine
