// Texts out of a file, a command line or a model as they may stand in front of a person: without
// what would steer a terminal.
#pragma once

#include <string>
#include <string_view>

namespace issun {

// For a name in a message. Printable ASCII as it is, other bytes as \xNN; cut after 64 bytes with
// "...".
std::string printable(std::string_view name);

// For text of any language on one line: UTF-8 as it is, but control characters (C0, DEL, C1) and
// bytes that are no UTF-8 as \xNN. Not cut.
std::string visible(std::string_view text);
// The same, with line ends left as they are.
std::string visible_lines(std::string_view text);
// The last line that says something, visible: of what a program said, why it failed.
std::string last_line(std::string_view text);

}  // namespace issun
