#include "base/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>

namespace issun {

namespace {

std::atomic<int> interrupts{0};
struct sigaction previous_interrupt;

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
  ::sigaction(SIGINT, &action, &previous_interrupt);
}

Interrupts::~Interrupts() {
  ::sigaction(SIGINT, &previous_interrupt, nullptr);
  interrupts.store(0);
}

bool Interrupts::take() { return interrupts.exchange(0) != 0; }
bool Interrupts::pending() { return interrupts.load() != 0; }

namespace {

// Waits until standard input has something or has ended; false when Ctrl-C comes, or came already.
// It is let through while waiting only: between a look at pending() and a read it would be missed.
bool wait_for_input() {
  sigset_t interrupt, usual;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &interrupt, &usual);
  pollfd input{STDIN_FILENO, POLLIN, 0};
  int ready = -1;
  while (!Interrupts::pending() && ready < 0) {
    ready = ::ppoll(&input, 1, nullptr, &usual);
    if (ready < 0 && errno != EINTR) break;  // the read that follows says what is wrong
  }
  ::pthread_sigmask(SIG_SETMASK, &usual, nullptr);
  return !Interrupts::pending();
}

}  // namespace

std::optional<std::string> read_line() {
  std::string line;
  for (;;) {
    char c = 0;
    if (!wait_for_input()) return std::nullopt;
    const ssize_t got = ::read(STDIN_FILENO, &c, 1);
    if (got < 0 && errno == EINTR && !Interrupts::pending()) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) return line.empty() ? std::nullopt : std::optional(line);
    if (c == '\n') return line;
    line.push_back(c);
  }
}

}  // namespace issun
