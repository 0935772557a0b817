#include "base/sandbox_inside.h"

#if defined(__linux__)

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace issun::sandbox {

namespace {

constexpr int kMountSetattr = 442;  // newer than some headers
constexpr uint64_t kReadOnly = 1, kNoSetuid = 2, kNoDevices = 4;
struct MountAttributes {
  uint64_t set = 0, clear = 0, propagation = 0, user_namespace = 0;
};

[[noreturn]] void fail_at(const Plan& plan, const char* step) {
  const Report report{Report::Failed, errno, step};
  [[maybe_unused]] const ssize_t told = ::write(plan.report, &report, sizeof(report));
  ::_exit(127);
}

void expect(bool done, const Plan& plan, const char* step) {
  if (!done) fail_at(plan, step);
}

void set_attributes(const char* path, bool below_too, uint64_t attributes, const Plan& plan) {
  const MountAttributes wanted{attributes, 0, 0, 0};
  constexpr int kRecursive = 0x8000;  // AT_RECURSIVE
  expect(
      ::syscall(kMountSetattr, -1, path, below_too ? kRecursive : 0, &wanted, sizeof(wanted)) == 0,
      plan, "make what is seen read-only (mount_setattr, Linux 5.12)");
}

// Root is nobody from here on, but may still mount within the namespaces.
void become_nobody(const Plan& plan) {
  constexpr unsigned long kBits =
      SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_NOROOT | SECBIT_NOROOT_LOCKED;
  expect(::prctl(PR_SET_SECUREBITS, kBits, 0, 0, 0) == 0, plan, "set the secure bits");
  if (plan.outer_root) expect(::syscall(SYS_setgroups, 0, nullptr) == 0, plan, "leave all groups");
  expect(::syscall(SYS_setresgid, kNobody, kNobody, kNobody) == 0, plan, "change the group");
  expect(::syscall(SYS_setresuid, kNobody, kNobody, kNobody) == 0, plan, "change the user");
  // After the change, which forgets it: who started this takes it along when it dies.
  expect(::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0, plan, "die with the parent");
}

void show(const Sight& sight, const Plan& plan) {
  const char* to = sight.to.c_str();
  if (sight.kind == Sight::Kind::Link) {
    expect(::symlink(sight.target.c_str(), to) == 0, plan, "make a link");
    return;
  }
  if (sight.kind == Sight::Kind::Folder) {
    expect(::mkdir(to, 0755) == 0, plan, "make a folder");
    if (sight.from.empty()) return;
  } else {
    const int made = ::open(to, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    expect(made >= 0, plan, "make a file");
    ::close(made);
  }
  expect(::mount(sight.from.c_str(), to, nullptr, MS_BIND | MS_REC, nullptr) == 0, plan,
         "show a part of the system");
  const bool device = sight.kind == Sight::Kind::File;
  set_attributes(to, true, kReadOnly | kNoSetuid | (device ? 0 : kNoDevices), plan);
}

void make_view(const Plan& plan) {
  expect(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, plan,
         "keep mounts to itself");
  expect(::mount("none", kNewRoot, "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,mode=755") == 0, plan,
         "mount a new root");
  for (const Sight& sight : plan.sights) show(sight, plan);
  expect(::chdir(kNewRoot) == 0, plan, "enter the new root");
  expect(::mount("none", "tmp", "tmpfs", MS_NOSUID | MS_NODEV, plan.disk_options.c_str()) == 0,
         plan, "mount a folder to write to");
  expect(::syscall(SYS_pivot_root, ".", ".") == 0, plan, "change the root");
  expect(::umount2(".", MNT_DETACH) == 0, plan, "leave the old root");
  set_attributes("/", false, kReadOnly, plan);
  expect(::chdir("/tmp") == 0, plan, "enter the folder to write to");
}

void set_limit(int resource, int64_t value, const Plan& plan) {
  const rlimit limit{static_cast<rlim_t>(value), static_cast<rlim_t>(value)};
  expect(::prlimit(0, static_cast<__rlimit_resource>(resource), &limit, nullptr) == 0, plan,
         "set a limit");
}

void drop_capabilities(const Plan& plan) {
  for (unsigned long capability = 0; capability < 64; ++capability) {
    if (::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) != 1) continue;
    expect(::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0, plan, "drop a capability");
  }
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct none[2] = {};
  expect(::syscall(SYS_capset, &header, none) == 0, plan, "drop the capabilities");
}

[[noreturn]] void begin_program(const Plan& plan) {
  const SandboxLimits& limits = plan.limits;
  expect(::setsid() >= 0, plan, "leave the terminal");
  expect(::dup2(plan.input, 0) == 0 && ::dup2(plan.output, 1) == 1 && ::dup2(plan.output, 2) == 2,
         plan, "set the streams");
  set_limit(RLIMIT_CORE, 0, plan);
  set_limit(RLIMIT_AS, limits.memory_bytes, plan);
  set_limit(RLIMIT_CPU, limits.cpu_seconds, plan);
  set_limit(RLIMIT_NPROC, limits.processes, plan);
  set_limit(RLIMIT_FSIZE, limits.disk_bytes, plan);
  set_limit(RLIMIT_NOFILE, 64, plan);
  drop_capabilities(plan);
  expect(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, plan, "give up new privileges");
  // All but the streams goes with execve.
  constexpr unsigned kCloseOnExec = 4;  // CLOSE_RANGE_CLOEXEC
  expect(::syscall(436, 3U, ~0U, kCloseOnExec) == 0, plan,
         "close what is open (close_range, Linux 5.11)");
  const sock_fprog filter{static_cast<unsigned short>(plan.filter.size()),
                          const_cast<sock_filter*>(plan.filter.data())};
  expect(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) == 0, plan,
         "set the filter of system calls (seccomp)");
  static const char* const environment[] = {"PATH=/usr/bin:/bin", "HOME=/tmp", "LANG=C.UTF-8",
                                            "PYTHONHASHSEED=0", nullptr};
  ::execve(plan.command[0], plan.command.data(), const_cast<char**>(environment));
  fail_at(plan, "begin the program");
}

}  // namespace

void be_first_process(const Plan& plan) {
  ::close(plan.go_writer);  // so that the pipe ends with who started this
  char byte = 0;
  if (::read(plan.go, &byte, 1) != 1) ::_exit(127);
  become_nobody(plan);
  make_view(plan);
  // Not fork(), which runs what others registered for it.
  const pid_t program = static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
  expect(program >= 0, plan, "begin a process");
  if (program == 0) begin_program(plan);
  // Orphans come here too; when this process ends, the kernel ends all that are left.
  while (true) {
    int status = 0;
    const pid_t ended = ::waitpid(-1, &status, 0);
    if (ended < 0 && errno != EINTR) fail_at(plan, "wait for the program");
    if (ended != program) continue;
    const Report report = WIFEXITED(status) ? Report{Report::Exited, WEXITSTATUS(status), nullptr}
                                            : Report{Report::Signalled, WTERMSIG(status), nullptr};
    [[maybe_unused]] const ssize_t told = ::write(plan.report, &report, sizeof(report));
    ::_exit(0);
  }
}

}  // namespace issun::sandbox

#endif
