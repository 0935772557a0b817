// Runs a program nobody trusts, such as one that a model wrote: without network, without the files
// of this machine's people, within limits, and gone as a whole at the end. Linux alone: user,
// mount, pid, net, ipc, uts and cgroup namespaces and a seccomp filter. What cannot be had is an
// error: nothing ever runs outside.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace issun {

struct SandboxLimits {
  int64_t memory_bytes = int64_t{512} << 20;  // address space of each process
  int cpu_seconds = 10;                       // of each process
  double wall_seconds = 15;                   // of all of it
  int processes = 8;                          // at a time, threads counted
  int64_t disk_bytes = int64_t{16} << 20;     // in its /tmp, which is memory
  int64_t output_bytes = int64_t{64} << 10;   // of what it writes, the last is kept
};

struct SandboxRun {
  enum class End { Exited, Signalled, TimedOut };
  End end = End::Exited;
  int status = 0;      // Exited: the exit status; Signalled: the signal
  std::string output;  // standard output and error, as they came
  double seconds = 0;
};

// Runs command[0], a path under /usr, /bin or /lib, with `input` on its standard input, as nobody,
// in an empty folder. It sees /usr and the system's libraries read-only, /dev/null and its like,
// and a /tmp of its own; no other file, process or socket. Error: no namespaces, no seccomp, no
// such program, a system that is not Linux on x86-64 or ARM64; each names the step.
Result<SandboxRun> run_in_sandbox(std::span<const std::string> command, std::string_view input,
                                  const SandboxLimits& limits);

// Where in the sandbox's view a program of that name is: "/usr/bin/python3". Error: nowhere.
Result<std::string> find_in_sandbox(std::string_view program);

}  // namespace issun
