#include "base/sandbox.h"

#if defined(__linux__)

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <utility>

#include "base/clock.h"
#include "base/file.h"
#include "base/sandbox_inside.h"

namespace issun {

namespace {

using sandbox::Plan;
using sandbox::Report;
using sandbox::Sight;

// An open descriptor, closed when it goes.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() { close(); }
  int number() const { return number_; }
  void close() {
    if (number_ >= 0) ::close(std::exchange(number_, -1));
  }

 private:
  int number_;
};

struct PipeEnds {
  Descriptor out, in;  // to read from, to write to
};

Result<PipeEnds> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail("sandbox: no pipe: {}", ::strerror(errno));
  return PipeEnds{Descriptor(ends[0]), Descriptor(ends[1])};
}

Result<Descriptor> input_file(std::string_view input) {
  Descriptor file(::memfd_create("input", MFD_CLOEXEC));
  while (!input.empty()) {
    const ssize_t written = ::write(file.number(), input.data(), input.size());
    if (written <= 0) return fail("sandbox: cannot keep the input: {}", ::strerror(errno));
    input.remove_prefix(static_cast<size_t>(written));
  }
  if (::lseek(file.number(), 0, SEEK_SET) != 0)
    return fail("sandbox: cannot keep the input: {}", ::strerror(errno));
  return file;
}

Result<void> write_text(const std::string& path, std::string_view text) {
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (file.number() >= 0 &&
      ::write(file.number(), text.data(), text.size()) == static_cast<ssize_t>(text.size())) {
    return {};
  }
  return fail("sandbox: {}: {}; nothing is run without", path, ::strerror(errno));
}

// Whether this namespace of users has nobody: one of a container may end before.
bool knows_nobody(const char* map) {
  std::ifstream lines(std::string("/proc/self/") + map);
  for (uint64_t inside = 0, outside = 0, count = 0; lines >> inside >> outside >> count;) {
    if (sandbox::kNobody >= inside && sandbox::kNobody - inside < count) return true;
  }
  return false;
}

// Who nobody is outside: nobody as well where root may say so, or else the user who starts it.
Result<void> map_identity(pid_t child, bool root) {
  const std::string process = fmt::format("/proc/{}/", child);
  if (!root) TRY(write_text(process + "setgroups", "deny"));
  const auto map = [&](unsigned outside) {
    return fmt::format("{} {} 1\n", sandbox::kNobody, root ? sandbox::kNobody : outside);
  };
  TRY(write_text(process + "uid_map", map(::geteuid())));
  return write_text(process + "gid_map", map(::getegid()));
}

// A child that is the first process of new namespaces, killed and waited for when this goes.
class FirstProcess {
 public:
  explicit FirstProcess(pid_t process) : process_(process) {}
  ~FirstProcess() {
    ::kill(process_, SIGKILL);
    while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {}
  }
  FirstProcess(const FirstProcess&) = delete;
  FirstProcess& operator=(const FirstProcess&) = delete;
  pid_t process() const { return process_; }

 private:
  const pid_t process_;
};

// What comes out of the sandbox, read until it ends or the time is up.
class Listener {
 public:
  Listener(int output_end, int report_end, int64_t most)
      : output_(output_end), reports_(report_end), most_(most) {}

  // false: the time was up first.
  bool listen(double wall_seconds) {
    const double end = seconds_now() + wall_seconds;
    while (true) {
      const double left = end - seconds_now();
      if (left <= 0) return false;
      std::array<pollfd, 2> waits{
          {{output_open_ ? output_ : -1, POLLIN, 0}, {reports_, POLLIN, 0}}};
      if (::poll(waits.data(), waits.size(), static_cast<int>(left * 1000) + 1) <= 0) continue;
      if (waits[0].revents != 0) output_open_ = read_output();
      if (waits[1].revents != 0 && !read_report()) return true;
    }
  }
  // What was written and not read yet; all writers are gone.
  void finish() {
    while (output_open_) output_open_ = read_output();
    forget_first();
  }

  std::string output;
  std::vector<Report> reports;

 private:
  bool read_output() {
    std::array<char, 4096> bytes;
    const ssize_t got = ::read(output_, bytes.data(), bytes.size());
    if (got < 0) return errno == EINTR;
    output.append(bytes.data(), static_cast<size_t>(got));
    if (output.size() > 2 * static_cast<size_t>(most_)) forget_first();
    return got > 0;
  }
  // The end says more than the begin.
  void forget_first() {
    const auto most = static_cast<size_t>(most_);
    if (output.size() > most) output.erase(0, output.size() - most);
  }
  bool read_report() {
    Report report;
    const ssize_t got = ::read(reports_, &report, sizeof(report));
    if (got == sizeof(report)) reports.push_back(report);
    return got > 0 || (got < 0 && errno == EINTR);
  }

  const int output_, reports_;
  const int64_t most_;
  bool output_open_ = true;
};

Result<pid_t> begin(const Plan& plan) {
  constexpr unsigned long kNamespaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
                                        CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
  const long child = ::syscall(SYS_clone, kNamespaces | SIGCHLD, 0, 0, 0, 0);
  if (child < 0) {
    return fail(
        "sandbox: expected namespaces (user, mount, pid, net, ipc), the system refuses: {}; "
        "nothing is run without",
        ::strerror(errno));
  }
  if (child == 0) sandbox::be_first_process(plan);
  return static_cast<pid_t>(child);
}

Result<SandboxRun> result_of(const Listener& listener, bool in_time) {
  for (const Report& report : listener.reports) {
    if (report.kind != Report::Failed) continue;
    return fail("sandbox: cannot {}: {}; nothing is run without", report.step,
                ::strerror(report.value));
  }
  SandboxRun run;
  run.output = listener.output;
  if (!in_time) {
    run.end = SandboxRun::End::TimedOut;
    return run;
  }
  if (listener.reports.empty())
    return fail("sandbox: ended without a word; nothing is run without");
  const Report& report = listener.reports.back();
  run.end = report.kind == Report::Exited ? SandboxRun::End::Exited : SandboxRun::End::Signalled;
  run.status = report.value;
  return run;
}

}  // namespace

std::vector<Sight> sandbox::system_sights() {
  const std::string root = kNewRoot;
  std::vector<Sight> sights;
  for (const char* path : {"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"}) {
    struct stat facts {};
    if (::lstat(path, &facts) != 0) continue;
    if (S_ISDIR(facts.st_mode)) sights.push_back({Sight::Kind::Folder, path, root + path, ""});
    if (!S_ISLNK(facts.st_mode)) continue;
    std::array<char, 4096> target;
    const ssize_t length = ::readlink(path, target.data(), target.size());
    if (length > 0) {
      sights.push_back({Sight::Kind::Link, path, root + path,
                        std::string(target.data(), static_cast<size_t>(length))});
    }
  }
  for (const char* folder : {"/tmp", "/dev", "/etc"})
    sights.push_back({Sight::Kind::Folder, "", root + folder, ""});
  for (const char* device : {"/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"})
    sights.push_back({Sight::Kind::File, device, root + device, ""});
  if (is_file("/etc/ld.so.cache"))
    sights.push_back({Sight::Kind::File, "/etc/ld.so.cache", root + "/etc/ld.so.cache", ""});
  return sights;
}

Result<SandboxRun> run_in_sandbox(std::span<const std::string> command, std::string_view input,
                                  const SandboxLimits& limits) {
  PipeEnds output = TRY(make_pipe()), reports = TRY(make_pipe()), go = TRY(make_pipe());
  const Descriptor given = TRY(input_file(input));
  std::vector<std::string> words(command.begin(), command.end());
  Plan plan;
  plan.sights = sandbox::system_sights();
  plan.filter = sandbox::forbidding_filter();
  if (plan.filter.empty())
    return fail("sandbox: expected x86-64 or ARM64, whose system calls can be filtered");
  for (std::string& word : words) plan.command.push_back(word.data());
  plan.command.push_back(nullptr);
  plan.disk_options = fmt::format("size={},nr_inodes=4096,mode=777", limits.disk_bytes);
  plan.limits = limits;
  plan.outer_root = ::geteuid() == 0 && knows_nobody("uid_map") && knows_nobody("gid_map");
  plan.input = given.number();
  plan.output = output.in.number();
  plan.report = reports.in.number();
  plan.go = go.out.number();
  plan.go_writer = go.in.number();

  const double start = seconds_now();
  Listener listener(output.out.number(), reports.out.number(), limits.output_bytes);
  bool in_time = false;
  {
    const FirstProcess first(TRY(begin(plan)));
    output.in.close();
    reports.in.close();
    go.out.close();
    TRY(map_identity(first.process(), plan.outer_root));
    if (::write(go.in.number(), "g", 1) != 1)
      return fail("sandbox: ended before it began; nothing is run without");
    in_time = listener.listen(limits.wall_seconds);
  }
  listener.finish();
  SandboxRun run = TRY(result_of(listener, in_time));
  run.seconds = seconds_now() - start;
  return run;
}

Result<std::string> find_in_sandbox(std::string_view program) {
  for (const char* folder : {"/usr/bin/", "/bin/", "/usr/local/bin/"}) {
    const std::string path = folder + std::string(program);
    if (is_file(path) && ::access(path.c_str(), X_OK) == 0) return path;
  }
  return fail("{}: expected it in /usr/bin, /bin or /usr/local/bin, found it nowhere", program);
}

}  // namespace issun

#else

namespace issun {

Result<SandboxRun> run_in_sandbox(std::span<const std::string>, std::string_view,
                                  const SandboxLimits&) {
  return fail("sandbox: expected Linux, whose namespaces it is made of; nothing is run without");
}

Result<std::string> find_in_sandbox(std::string_view program) {
  return fail("{}: no sandbox on this system", program);
}

}  // namespace issun

#endif
