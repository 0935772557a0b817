// A trace and a cache as a picture: time from left to right, the experts of each layer from top to
// bottom. Left how much each was used, right which of its visits found it in memory.
#pragma once

#include <string>

#include "experts/replay.h"

namespace issun::experts {

// An SVG document. All batches are shown, counted or not; of many experts, some share a row, and of
// many batches, some share a column.
std::string replay_picture(const Trace& trace, const Visits& visits, Contender contender,
                           std::span<const int> slots);

}  // namespace issun::experts
