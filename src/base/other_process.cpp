#include "base/other_process.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

namespace issun {

int own_process_id() { return static_cast<int>(::getpid()); }

std::string process_beginning(int process_id) {
  std::ifstream file(fmt::format("/proc/{}/stat", process_id));
  std::stringstream text;
  text << file.rdbuf();
  // The program's name, in brackets, may hold anything.
  const std::string line = text.str();
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return "";
  std::istringstream fields(line.substr(name_end + 1));
  std::string state, field;
  fields >> state;
  if (state == "Z" || state == "X") return "";
  constexpr int kBeginning = 22;  // of proc(5); the state is the third
  for (int i = 4; i <= kBeginning && fields; ++i) fields >> field;
  return fields ? field : "";
}

Result<void> ask_to_end(int process_id) {
  // Numbers below 1 mean groups of processes.
  if (process_id < 1) return fail("process {}: expected the number of a process", process_id);
  if (::kill(process_id, SIGTERM) == 0) return {};
  return fail("process {}: {}", process_id, ::strerror(errno));
}

}  // namespace issun
