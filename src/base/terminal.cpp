#include "base/terminal.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>

namespace issun {

namespace {

std::atomic<int> interrupts{0};
struct sigaction previous_action;

void on_interrupt(int signal) {
  if (interrupts.fetch_add(1) == 0) return;
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

}  // namespace

bool stdin_is_terminal() { return ::isatty(STDIN_FILENO) != 0; }
bool stdout_is_terminal() { return ::isatty(STDOUT_FILENO) != 0; }
bool stderr_is_terminal() { return ::isatty(STDERR_FILENO) != 0; }

Interrupts::Interrupts() {
  interrupts.store(0);
  struct sigaction action {};
  action.sa_handler = on_interrupt;  // without SA_RESTART: a read that waits comes back
  ::sigaction(SIGINT, &action, &previous_action);
}

Interrupts::~Interrupts() {
  ::sigaction(SIGINT, &previous_action, nullptr);
  interrupts.store(0);
}

bool Interrupts::take() { return interrupts.exchange(0) != 0; }
bool Interrupts::pending() { return interrupts.load() != 0; }

std::optional<std::string> read_line() {
  std::string line;
  for (;;) {
    char c = 0;
    const ssize_t got = ::read(STDIN_FILENO, &c, 1);
    if (got < 0 && errno == EINTR && !Interrupts::pending()) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) return line.empty() ? std::nullopt : std::optional(line);
    if (c == '\n') return line;
    line.push_back(c);
  }
}

}  // namespace issun
