// The step that makes the choice bolder or safer.
#pragma once

#include "engine/sampling/candidates.h"

namespace issun::engine {

// Divides the logits; 0 keeps the most likely token alone.
void temper(Candidates& candidates, float temperature);

// The temperature that suits how undecided the model is: temperature - range where one token is
// certain, temperature + range where all are equally likely, between them by the share of the
// largest possible entropy to the power of `exponent` (Zhu et al. 2024, "EDT"; the mapping is that
// of KoboldCpp, which people know).
float dynamic_temperature(Candidates& candidates, float temperature, float range, float exponent);

}  // namespace issun::engine
