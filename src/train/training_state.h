// TrainingState as the text of a checkpoint.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "train/checkpoint.h"

namespace issun::train {

std::string to_json(const TrainingState& state);
// Error: no JSON, or a value that is absent or of another kind.
Result<TrainingState> training_state_from_json(std::string_view text);

}  // namespace issun::train
