// No signals: Ctrl-C ends the program.
#include "base/terminal.h"

#include <errno.h>
#include <unistd.h>

namespace issun {

bool stdin_is_terminal() { return ::isatty(STDIN_FILENO) != 0; }
bool stdout_is_terminal() { return ::isatty(STDOUT_FILENO) != 0; }
bool stderr_is_terminal() { return ::isatty(STDERR_FILENO) != 0; }

Interrupts::Interrupts() = default;
Interrupts::~Interrupts() = default;
bool Interrupts::take() { return false; }
bool Interrupts::pending() { return false; }

}  // namespace issun
