// Processes that are not our children, by their number.
#pragma once

#include <string>

#include "base/result.h"

namespace issun {

int own_process_id();

// When it began, in the system's words: with the number it says which process is meant, since
// numbers come back. Empty: there is no such process, or it has ended and nobody has asked how.
std::string process_beginning(int process_id);

// Asks it to end, as a service manager would (SIGTERM). Error: there is no such process, or it is
// another user's.
Result<void> ask_to_end(int process_id);

}  // namespace issun
