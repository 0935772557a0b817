#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/clock.h"
#include "base/terminal.h"

namespace issun {

namespace {

constexpr size_t kMostOutput = size_t{16} << 20;

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

ResourceUse resource_use(const rusage& usage) {
  return {.user_seconds = seconds(usage.ru_utime),
          .system_seconds = seconds(usage.ru_stime),
          .voluntary_switches = usage.ru_nvcsw,
          .involuntary_switches = usage.ru_nivcsw,
          .minor_faults = usage.ru_minflt,
          .major_faults = usage.ru_majflt,
          .peak_resident_bytes = int64_t{usage.ru_maxrss} * 1024};  // Linux counts in KiB
}

// Both ends are closed when it goes.
struct Pipe {
  int read = -1, write = -1;
  Pipe() = default;
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    close_end(&read);
    close_end(&write);
  }
  static void close_end(int* end) {
    if (*end >= 0) ::close(std::exchange(*end, -1));
  }
  bool open() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return false;
    read = ends[0];
    write = ends[1];
    return true;
  }
};

// In the child, between fork and exec: system calls alone. Tells the errno of a failure through
// `failure`, which closes by itself when all went well.
[[noreturn]] void become(char* const* arguments, int out, int err, int failure, pid_t parent) {
  ::setpgid(0, 0);                     // a Ctrl-C at the terminal is the parent's to answer
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // nothing goes on measuring for nobody
  const int nothing = ::open("/dev/null", O_RDONLY);
  // A parent that died before prctl() would not be noticed any more.
  if (::getppid() == parent && nothing >= 0 && ::dup2(nothing, STDIN_FILENO) >= 0 &&
      ::dup2(out, STDOUT_FILENO) >= 0 && ::dup2(err, STDERR_FILENO) >= 0) {
    ::execvp(arguments[0], arguments);
  }
  const int reason = errno;
  (void)!::write(failure, &reason, sizeof reason);
  ::_exit(127);
}

// Takes what is there; closes the end once there will be no more.
void drain(int* end, std::string* text, const std::function<void(std::string_view)>& listener) {
  std::array<char, 1 << 16> piece;
  const ssize_t got = ::read(*end, piece.data(), piece.size());
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got <= 0) {
    Pipe::close_end(end);
    return;
  }
  const std::string_view more(piece.data(), static_cast<size_t>(got));
  text->append(more.substr(0, kMostOutput - std::min(kMostOutput, text->size())));
  if (listener) listener(more);
}

// Reads both pipes until they close, or until the child has to be killed.
void listen(pid_t child, Pipe& out, Pipe& err, double until, const ChildOptions& options,
            ChildEnd* end) {
  while (out.read >= 0 || err.read >= 0) {
    pollfd ends[2] = {{out.read, POLLIN, 0}, {err.read, POLLIN, 0}};
    const int ready = ::poll(ends, 2, 100);  // often enough to see the clock and Ctrl-C
    if (ready > 0 && ends[0].revents != 0) drain(&out.read, &end->out, options.on_output);
    if (ready > 0 && ends[1].revents != 0) drain(&err.read, &end->err, nullptr);
    if (options.while_waiting) options.while_waiting();
    end->interrupted = Interrupts::pending();
    end->timed_out = until > 0 && seconds_now() > until;
    if (!end->interrupted && !end->timed_out) continue;
    ::kill(-child, SIGKILL);
    return;
  }
}

}  // namespace

ResourceUse ResourceUse::operator-(const ResourceUse& before) const {
  return {.user_seconds = user_seconds - before.user_seconds,
          .system_seconds = system_seconds - before.system_seconds,
          .voluntary_switches = voluntary_switches - before.voluntary_switches,
          .involuntary_switches = involuntary_switches - before.involuntary_switches,
          .minor_faults = minor_faults - before.minor_faults,
          .major_faults = major_faults - before.major_faults,
          .peak_resident_bytes = peak_resident_bytes};
}

ResourceUse own_resource_use() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return resource_use(usage);
}

Result<std::string> own_program() {
  std::string path(4096, '\0');
  const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size());
  if (length <= 0) return fail("/proc/self/exe: cannot read: {}", ::strerror(errno));
  path.resize(static_cast<size_t>(length));
  return path;
}

std::string ChildEnd::describe() const {
  if (interrupted) return "interrupted";
  if (timed_out) return fmt::format("stopped after {:.0f} s", wall_seconds);
  if (signal != 0) return fmt::format("ended by signal {} ({})", signal, ::strsignal(signal));
  return fmt::format("ended with status {}", exit_code);
}

Result<ChildEnd> run_child(const ChildOptions& options) {
  std::vector<char*> arguments;
  for (const std::string& argument : options.arguments)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  if (options.arguments.empty()) return fail("program: expected a name");
  const std::string& name = options.arguments[0];
  Pipe out, err, failure;
  if (!out.open() || !err.open() || !failure.open())
    return fail("{}: cannot make a pipe: {}", name, ::strerror(errno));
  const pid_t parent = ::getpid();
  const double began = seconds_now();
  const pid_t child = ::fork();
  if (child < 0) return fail("{}: cannot start: {}", name, ::strerror(errno));
  if (child == 0) become(arguments.data(), out.write, err.write, failure.write, parent);
  ::setpgid(child, child);  // whoever of the two comes first
  for (Pipe* pipe : {&out, &err, &failure}) Pipe::close_end(&pipe->write);

  int reason = 0;
  ssize_t got = -1;
  do {
    got = ::read(failure.read, &reason, sizeof reason);
  } while (got < 0 && errno == EINTR);
  ChildEnd end;
  if (got <= 0) {
    const double until = options.timeout_seconds > 0 ? began + options.timeout_seconds : 0;
    listen(child, out, err, until, options, &end);
  }
  int status = 0;
  rusage usage{};
  while (::wait4(child, &status, 0, &usage) < 0 && errno == EINTR) {}
  end.wall_seconds = seconds_now() - began;
  if (got > 0) return fail("{}: cannot start: {}", name, ::strerror(reason));
  ::kill(-child, SIGKILL);  // what it may have left running
  end.use = resource_use(usage);
  if (WIFEXITED(status)) end.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) end.signal = WTERMSIG(status);
  return end;
}

}  // namespace issun
