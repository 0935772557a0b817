// Names out of a file as they may stand in a message: short, and without what would steer a
// terminal.
#pragma once

#include <string>
#include <string_view>

namespace issun::gguf {

// Printable ASCII as it is, other bytes as \xNN; cut after 64 bytes with "...".
std::string printable(std::string_view name);

}  // namespace issun::gguf
