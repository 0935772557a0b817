// The system calls that a program in a sandbox may not make.
#include "base/sandbox_inside.h"

#if defined(__linux__)
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

namespace issun::sandbox {

#if defined(__x86_64__) || defined(__aarch64__)

namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
constexpr uint32_t kOtherAbi = 0x40000000;  // numbers of x32 begin here
#else
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#endif

// Refused with EPERM. What is not named here is harmless within the namespaces.
constexpr int kForbidden[] = {
    // Sockets of any kind.
    SYS_socket, SYS_socketpair, SYS_connect, SYS_bind, SYS_listen, SYS_accept, SYS_accept4,
    SYS_sendto, SYS_sendmsg, SYS_sendmmsg, SYS_recvfrom, SYS_recvmsg, SYS_recvmmsg,
    // Other processes.
    SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp, SYS_pidfd_open,
    SYS_pidfd_send_signal,
    // Memory that no limit of a process counts.
    SYS_shmget, SYS_shmat, SYS_msgget, SYS_semget, SYS_mq_open, SYS_memfd_create,
    // What is seen, and namespaces.
    SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_unshare, SYS_setns, SYS_mknodat,
    SYS_name_to_handle_at, SYS_open_by_handle_at, SYS_fanotify_init, SYS_quotactl, SYS_acct,
    SYS_swapon, SYS_swapoff,
    // Large parts of the kernel that need no invitation.
    SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_add_key, SYS_request_key, SYS_keyctl,
    SYS_personality, SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load,
    SYS_reboot, SYS_syslog, SYS_vhangup, SYS_sethostname, SYS_setdomainname, SYS_settimeofday,
    SYS_clock_settime, SYS_adjtimex, SYS_clock_adjtime,
#if defined(__x86_64__)
    SYS_mknod, SYS_iopl, SYS_ioperm, SYS_modify_ldt, SYS_kexec_file_load,
#endif
    // Newer than some headers; the numbers are the same on all processors.
    425, 426, 427,            // io_uring_setup, _enter, _register
    428, 429, 430, 431, 432,  // open_tree, move_mount, fsopen, fsconfig, fsmount
    433, 438, 442, 447,       // fspick, pidfd_getfd, mount_setattr, memfd_secret
};
constexpr int kClone3 = 435;
constexpr uint32_t kTiocLinux = 0x541C;  // pastes into a console

constexpr uint32_t kNewNamespaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
                                    CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;

class Program {
 public:
  void load(size_t offset) { add(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset)); }
  void answer(uint32_t action) { add(BPF_RET | BPF_K, action); }
  void answer_if(uint16_t comparison, uint32_t value, uint32_t action) {
    jump(comparison, value, 0, 1);
    answer(action);
  }
  void answer_unless(uint16_t comparison, uint32_t value, uint32_t action) {
    jump(comparison, value, 1, 0);
    answer(action);
  }
  // Of one call, by an argument; the number is loaded before and after.
  void look_closer(int call, size_t offset, uint16_t comparison, uint32_t value, uint32_t action) {
    jump(BPF_JEQ, static_cast<uint32_t>(call), 0, 4);
    load(offset);
    answer_if(comparison, value, action);
    load(offsetof(seccomp_data, nr));
  }
  std::vector<sock_filter> take() { return std::move(code_); }

 private:
  void add(uint16_t code, uint32_t k) { code_.push_back({code, 0, 0, k}); }
  void jump(uint16_t comparison, uint32_t value, uint8_t yes, uint8_t no) {
    code_.push_back({static_cast<uint16_t>(BPF_JMP | comparison | BPF_K), yes, no, value});
  }
  std::vector<sock_filter> code_;
};

// The low half of an argument; both processors are little-endian.
constexpr size_t argument(size_t index) { return offsetof(seccomp_data, args) + 8 * index; }
constexpr uint32_t refuse(int error) {
  return SECCOMP_RET_ERRNO | (static_cast<uint32_t>(error) & SECCOMP_RET_DATA);
}

}  // namespace

std::vector<sock_filter> forbidding_filter() {
  Program program;
  // The architecture first: on another, numbers mean other calls.
  program.load(offsetof(seccomp_data, arch));
  program.answer_unless(BPF_JEQ, kArchitecture, SECCOMP_RET_KILL_PROCESS);
  program.load(offsetof(seccomp_data, nr));
#if defined(__x86_64__)
  program.answer_if(BPF_JGE, kOtherAbi, SECCOMP_RET_KILL_PROCESS);
#endif
  for (const int call : kForbidden)
    program.answer_if(BPF_JEQ, static_cast<uint32_t>(call), refuse(EPERM));
  // Its flags lie in memory, where no filter can look: the library then takes clone.
  program.answer_if(BPF_JEQ, kClone3, refuse(ENOSYS));
  program.look_closer(SYS_clone, argument(0), BPF_JSET, kNewNamespaces, refuse(EPERM));
  // Typing into somebody's terminal.
  program.look_closer(SYS_ioctl, argument(1), BPF_JEQ, TIOCSTI, refuse(EPERM));
  program.look_closer(SYS_ioctl, argument(1), BPF_JEQ, kTiocLinux, refuse(EPERM));
  program.answer(SECCOMP_RET_ALLOW);
  return program.take();
}

#else

std::vector<sock_filter> forbidding_filter() { return {}; }

#endif

}  // namespace issun::sandbox

#endif
