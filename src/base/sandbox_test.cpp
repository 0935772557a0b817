#include "base/sandbox.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/clock.h"
#include "contains.h"
#include "scratch_folder.h"

using namespace issun;

namespace {

// What python3 says to a program inside; skipped, and said, where there is no sandbox here.
class Inside {
 public:
  Inside() {
    const auto python = find_in_sandbox("python3");
    if (!python) {
      MESSAGE("skipped: " << python.error().message);
      return;
    }
    python_ = *python;
    limits.wall_seconds = 60;  // a busy machine
    const auto tried = try_run("print(6 * 7)");
    if (tried) return;
    CHECK(tried.error().message.find("nothing is run without") != std::string::npos);
    MESSAGE("skipped: " << tried.error().message);
    python_.clear();
  }
  explicit operator bool() const { return !python_.empty(); }

  Result<SandboxRun> try_run(const std::string& program) const {
    const std::array<std::string, 3> command = {python_, "-I", "-"};
    return run_in_sandbox(command, program, limits);
  }
  SandboxRun run(const std::string& program) const {
    const auto result = try_run(program);
    REQUIRE_MESSAGE(result.has_value(), result.error().message);
    return *result;
  }
  // The statement raises that kind of OSError, or another that is named.
  void refuses(const std::string& statement, const std::string& error) const {
    CAPTURE(statement);
    const SandboxRun ran = run("import os, socket, ctypes\ntry:\n  " + statement + "\nexcept " +
                               error + " as error:\n  print('refused')\nelse:\n  print('done')\n");
    CHECK(ran.output == "refused\n");
  }

  SandboxLimits limits;

 private:
  std::string python_;
};

}  // namespace

TEST_CASE("a program in the sandbox reads its input, and its status and output come back") {
  const Inside inside;
  if (!inside) return;
  const SandboxRun done =
      inside.run("import sys\nprint('out')\nsys.stderr.write('err')\nsys.exit(3)");
  CHECK(done.end == SandboxRun::End::Exited);
  CHECK(done.status == 3);
  CHECK(contains(done.output, "out\n"));
  CHECK(contains(done.output, "err"));
  const SandboxRun killed = inside.run("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)");
  CHECK(killed.end == SandboxRun::End::Signalled);
  CHECK(killed.status == SIGSEGV);
}

TEST_CASE("a long input arrives whole, and a long output is cut and does not block") {
  Inside inside;
  if (!inside) return;
  inside.limits.output_bytes = 1000;
  const SandboxRun done = inside.run("#" + std::string(1 << 20, 'x') +
                                     "\nprint('y' * (1 << 20))\nimport sys\nsys.exit(5)");
  CHECK(done.output == std::string(999, 'y') + "\n");  // the end of it
  CHECK(done.status == 5);
}

TEST_CASE("a loop without end is killed when its time is up, and so is one that only sleeps") {
  Inside inside;
  if (!inside) return;
  inside.limits.wall_seconds = 1;
  for (const char* program : {"while True: pass", "import time\ntime.sleep(1000)"}) {
    const double start = seconds_now();
    CHECK(inside.run(program).end == SandboxRun::End::TimedOut);
    CHECK(seconds_now() - start < 20);
  }
  inside.limits.wall_seconds = 120;
  inside.limits.cpu_seconds = 1;
  const SandboxRun done = inside.run("while True: pass");
  CHECK(done.end == SandboxRun::End::Signalled);
  CHECK(done.status == SIGKILL);
}

TEST_CASE("children that were left behind go too") {
  Inside inside;
  if (!inside) return;
  const double start = seconds_now();
  const SandboxRun done = inside.run(
      "import os, time\nif os.fork() == 0:\n  os.setsid()\n  time.sleep(1000)\nprint('left')");
  CHECK(done.end == SandboxRun::End::Exited);
  CHECK(done.output == "left\n");
  CHECK(seconds_now() - start < 50);
}

TEST_CASE("memory, processes, files and descriptors have their limits") {
  Inside inside;
  if (!inside) return;
  inside.limits.memory_bytes = int64_t{256} << 20;
  inside.refuses("x = bytearray(300 << 20)", "MemoryError");
  CHECK(inside.run("x = []\nwhile True: x.append(bytearray(1 << 20))").status == 1);
  // A fork bomb: each process forks until it may not.
  const SandboxRun bomb = inside.run(
      "import os, time\n"
      "made = 0\n"
      "try:\n"
      "  for i in range(1000):\n"
      "    if os.fork() == 0:\n"
      "      time.sleep(1000)\n"
      "    made += 1\n"
      "except OSError:\n"
      "  print(made)\n");
  CHECK(bomb.end == SandboxRun::End::Exited);
  CHECK(bomb.output.size() == 2);  // a digit: fewer than ten
  CHECK(inside.run("import os\nwhile True:\n  try: os.fork()\n  except OSError: break").end ==
        SandboxRun::End::Exited);
  inside.refuses("open('x', 'wb').write(bytes(20 << 20))", "OSError");
  inside.refuses("[open('/dev/null') for i in range(100)]", "OSError");
}

TEST_CASE("there is no network, and no way to another namespace or process") {
  const Inside inside;
  if (!inside) return;
  inside.refuses("socket.socket()", "PermissionError");
  inside.refuses("socket.socket(socket.AF_UNIX)", "PermissionError");
  inside.refuses("socket.socketpair()", "PermissionError");
  // By number, past what the library offers: ptrace, unshare and mount.
  for (const char* call : {"libc.ptrace(0, 0, 0, 0)", "libc.unshare(0x10000000)",
                           "libc.mount(b'none', b'/tmp', b'tmpfs', 0, 0)"}) {
    CAPTURE(call);
    const SandboxRun ran =
        inside.run("import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nprint(" +
                   std::string(call) + ", ctypes.get_errno())");
    CHECK(ran.output == "-1 1\n");
  }
  CHECK(inside.run("import os\nprint(os.getuid(), os.getpid() < 10, os.geteuid())").output ==
        "65534 True 65534\n");
  inside.refuses("os.kill(1, 9) or os.kill(1, 0) or 1 / 0", "ZeroDivisionError");  // 1 lives on
  inside.refuses("os.setuid(0)", "OSError");
}

TEST_CASE("files of people are not there, the system cannot be written to, and /tmp is its own") {
  const Inside inside;
  if (!inside) return;
  const ScratchFolder scratch;
  const std::string secret = scratch.path("secret");
  std::ofstream(secret) << "told";
  std::filesystem::permissions(secret, std::filesystem::perms::all);
  inside.refuses("open('" + secret + "')", "FileNotFoundError");
  // Where it is no folder of the system, as it is for users that have none.
  const char* home = std::getenv("HOME");
  const bool own = home != nullptr && std::string_view(home).starts_with("/home/");
  for (const std::string& path :
       {std::string(own ? home : "/root"), std::string("/home"), std::string("/root"),
        std::string("/proc"), std::string("/sys"), std::string("/var"), std::string("/run")}) {
    inside.refuses("os.listdir('" + path + "')", "FileNotFoundError");
  }
  inside.refuses("os.memfd_create('x')", "PermissionError");
  inside.refuses("open('/etc/passwd')", "FileNotFoundError");
  inside.refuses("open('/usr/issun-was-here', 'w')", "OSError");
  inside.refuses("open('/issun-was-here', 'w')", "OSError");
  inside.refuses("os.mkdir('/etc/here')", "OSError");
  inside.refuses("os.chmod('/usr/bin/python3', 0o777)", "OSError");
  CHECK(inside.run("open('x', 'w').write('kept'); print(open('/tmp/x').read())").output ==
        "kept\n");
  CHECK(inside.run("import os\nprint(os.listdir('/tmp'))").output == "[]\n");
  CHECK_FALSE(std::filesystem::exists("/tmp/x"));
  CHECK(inside
            .run("open('/dev/null', 'w').write('x'); print(len(open('/dev/urandom', 'rb')"
                 ".read(3)))")
            .output == "3\n");
}

TEST_CASE("nothing of this program's environment or open files gets in") {
  const Inside inside;
  if (!inside) return;
  ::setenv("ISSUN_TEST_SECRET", "told", 1);
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);  // open across execve
  CHECK(inside.run("import os\nprint(os.environ.get('ISSUN_TEST_SECRET'))").output == "None\n");
  CHECK(inside
            .run("import os\nfound = []\nfor fd in range(3, 64):\n  try: os.fstat(fd); "
                 "found.append(fd)\n  except OSError: pass\nprint(found)")
            .output == "[]\n");
  ::close(ends[0]);
  ::close(ends[1]);
  ::unsetenv("ISSUN_TEST_SECRET");
}

TEST_CASE("a program that is not there is named by the step that failed") {
  const Inside inside;
  if (!inside) return;
  const std::array<std::string, 1> command = {"/usr/bin/no-such-program"};
  const auto result = run_in_sandbox(command, "", {});
  REQUIRE_FALSE(result.has_value());
  CHECK(contains(result.error().message, "begin the program"));
  CHECK(contains(result.error().message, "No such file"));
  CHECK_FALSE(find_in_sandbox("no-such-program").has_value());
}
