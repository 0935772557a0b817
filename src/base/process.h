// Other programs run as children: what they write, how they ended and what they used. Not here:
// children that are kept from the machine (a sandbox).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace issun {

// What the system counted of a process, all its threads, those that ended included.
struct ResourceUse {
  double user_seconds = 0, system_seconds = 0;
  int64_t voluntary_switches = 0;    // a thread waited
  int64_t involuntary_switches = 0;  // a thread was made to wait
  int64_t minor_faults = 0;          // pages that were in memory already
  int64_t major_faults = 0;          // pages that had to come from the disk
  int64_t peak_resident_bytes = 0;   // the most it held at once; no difference of two answers

  double cpu_seconds() const { return user_seconds + system_seconds; }
  // What lies between; the peak is the later one's.
  ResourceUse operator-(const ResourceUse& before) const;
};

// Of this process so far.
ResourceUse own_resource_use();

// The path of the program that is running. Error: the system does not say.
Result<std::string> own_program();

struct ChildOptions {
  std::vector<std::string> arguments = {};  // the first is the program, looked for in PATH
  double timeout_seconds = 0;               // killed after so long; 0: never
  // Called with each piece of standard output as it comes.
  std::function<void(std::string_view)> on_output = {};
  std::function<void()> while_waiting = {};  // called about ten times a second
};

struct ChildEnd {
  std::string out, err;  // the first megabytes of each; the rest is read and dropped
  int exit_code = -1;    // -1: ended by a signal
  int signal = 0;        // which; 0: none
  bool timed_out = false, interrupted = false;  // killed for that
  double wall_seconds = 0;
  ResourceUse use;  // of the child and the children it waited for

  bool succeeded() const { return exit_code == 0; }
  // "ended with status 1", "ended by signal 9 (Killed)", "stopped after 3 s".
  std::string describe() const;
};

// Runs a program to its end, with nothing as standard input. It is killed when the time is over,
// when Ctrl-C is pressed here (base/terminal.h) and when this process dies. Error: it cannot be
// started.
Result<ChildEnd> run_child(const ChildOptions& options);

}  // namespace issun
