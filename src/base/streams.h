// Standard input, output and error: that they are there, and that all that was written arrived.
#pragma once

#include <string_view>

#include "base/result.h"

namespace issun {

// First thing in main(). A stream that is closed becomes /dev/null, so that no file that is opened
// later takes its place; writing to a closed standard output stays an error. A reader of standard
// output that has seen enough ends the program quietly.
void prepare_streams();

// To standard output at once, whole. The first failure is kept for written_out(), and nothing more
// is written after it.
void write_out(std::string_view text);
// Error: some of what write_out() was given could not be written.
Result<void> written_out();

}  // namespace issun
