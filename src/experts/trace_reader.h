// One line of a routing trace. Not here: the file, and the lines' numbers.
#pragma once

#include "experts/trace.h"

namespace issun::experts {

// The first line becomes the header, each other one a batch. Error: what it has that it should not.
Result<void> read_line(std::string_view line, bool first, Trace* trace);

}  // namespace issun::experts
