// What happens inside a sandbox until the untrusted program begins. Between clone and execve only
// system calls are made: another thread may have held any lock of the library. Linux alone.
#pragma once

#include <string>
#include <vector>

#include "base/sandbox.h"

struct sock_filter;

namespace issun::sandbox {

// From inside to outside, through a pipe. `step` is a literal: both sides are one program.
struct Report {
  enum Kind : int { Failed, Exited, Signalled };
  int kind = Failed;
  int value = 0;  // errno, exit status or signal
  const char* step = nullptr;
};

// A part of the system that can be seen inside.
struct Sight {
  enum class Kind { Folder, File, Link };
  Kind kind = Kind::Folder;
  std::string from, to, target;  // to: under the new root; target: of a link
};

// All that inside needs, made ready outside.
struct Plan {
  std::vector<Sight> sights;
  std::vector<sock_filter> filter;
  std::vector<char*> command;  // ends in nullptr
  std::string disk_options;
  SandboxLimits limits;
  bool outer_root = false;  // started by root, who maps another user
  int input = -1, output = -1, report = -1, go = -1, go_writer = -1;
};

// The identity inside, and outside too where root starts it: nobody.
constexpr unsigned kNobody = 65534;
// Where the new root is put together, before it is all there is.
constexpr const char* kNewRoot = "/tmp";

std::vector<Sight> system_sights();
std::vector<sock_filter> forbidding_filter();  // empty: not known for this processor

// The first process of the namespaces: waits for a byte in plan.go, makes the view, runs the
// program, and ends when it ends.
[[noreturn]] void be_first_process(const Plan& plan);

}  // namespace issun::sandbox
