// The person at the keyboard: whether there is one, and when they press Ctrl-C.
#pragma once

#include <optional>
#include <string>

namespace issun {

bool stdin_is_terminal();
bool stdout_is_terminal();
bool stderr_is_terminal();

// While one lives, Ctrl-C is counted instead of ending the program. A second one before the first
// was taken ends it after all, so that a hung program can always be left. One at a time.
class Interrupts {
 public:
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;
  // Whether Ctrl-C was pressed; forgets it.
  bool take();
  // Whether one waits to be taken; never without an Interrupts.
  static bool pending();
};

// A line from standard input without its end; nullopt at the end of input, or when Ctrl-C
// interrupts.
std::optional<std::string> read_line();

}  // namespace issun
