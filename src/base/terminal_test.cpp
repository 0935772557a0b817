#include "base/terminal.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "scratch_folder.h"

using namespace issun;

namespace {

// Standard input is another descriptor while one lives.
class OtherInput {
 public:
  explicit OtherInput(int descriptor) : kept_(::dup(STDIN_FILENO)) {
    ::dup2(descriptor, STDIN_FILENO);
  }
  ~OtherInput() {
    ::dup2(kept_, STDIN_FILENO);
    ::close(kept_);
  }

 private:
  int kept_;
};

struct Pipe {
  int out, in;
  Pipe() {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    out = ends[0], in = ends[1];
  }
  ~Pipe() {
    ::close(out);
    end();
  }
  void put(std::string_view text) {
    REQUIRE(::write(in, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  void end() {
    if (in >= 0) ::close(in);
    in = -1;
  }
};

// Sends SIGINT to this process in `milliseconds`, through a child.
class LaterInterrupt {
 public:
  explicit LaterInterrupt(int milliseconds) : child_(::fork()) {
    if (child_ != 0) return;
    ::usleep(static_cast<useconds_t>(milliseconds) * 1000);
    ::kill(::getppid(), SIGINT);
    ::_exit(0);
  }
  ~LaterInterrupt() { ::waitpid(child_, nullptr, 0); }

 private:
  pid_t child_;
};

}  // namespace

TEST_CASE("An interrupt is counted until it is taken, and forgotten then") {
  Interrupts interrupts;
  CHECK_FALSE(Interrupts::pending());
  CHECK_FALSE(interrupts.take());
  ::raise(SIGINT);
  CHECK(Interrupts::pending());
  CHECK(interrupts.take());
  CHECK_FALSE(Interrupts::pending());
  ::raise(SIGINT);  // the first again
  CHECK(interrupts.take());
}

TEST_CASE("A second interrupt before the first was taken ends the program") {
  const pid_t child = ::fork();
  if (child == 0) {
    const Interrupts interrupts;
    ::raise(SIGINT);
    ::raise(SIGINT);
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGINT);
}

TEST_CASE("Interrupts that are gone leave nothing pending and Ctrl-C as it was") {
  struct sigaction before {
  }, after{};
  ::sigaction(SIGINT, nullptr, &before);
  {
    const Interrupts interrupts;
    ::raise(SIGINT);
  }
  ::sigaction(SIGINT, nullptr, &after);
  CHECK((after.sa_handler == before.sa_handler));
  CHECK_FALSE(Interrupts::pending());
}

TEST_CASE("Lines come without their ends; the last needs none") {
  Pipe pipe;
  pipe.put("one\n\nthree");
  pipe.end();
  const OtherInput input(pipe.out);
  CHECK(read_line() == "one");
  CHECK(read_line() == "");
  CHECK(read_line() == "three");
  CHECK(read_line() == std::nullopt);
}

TEST_CASE("An interrupt ends the wait for a line, and the wait for a text as an error") {
  Pipe pipe;
  const OtherInput input(pipe.out);
  Interrupts interrupts;
  {
    const LaterInterrupt later(50);
    CHECK(read_line() == std::nullopt);
  }
  CHECK(interrupts.take());
  pipe.put("some text");
  {
    const LaterInterrupt later(50);
    const auto text = read_text("-");
    REQUIRE_FALSE(text);
    CHECK(text.error().message == "standard input: interrupted");
  }
  CHECK(interrupts.take());
}

TEST_CASE("Standard input is read from where it stands, be it a file or a socket") {
  const ScratchFolder folder;
  REQUIRE(write_atomically(folder.path("text"), "first\nrest of it"));
  {
    const File file = *File::open_for_reading(folder.path("text"));
    const OtherInput input(file.descriptor());
    CHECK(read_line() == "first");
    CHECK(*read_text("-") == "rest of it");
  }
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  REQUIRE(::write(ends[1], "by socket", 9) == 9);
  ::close(ends[1]);
  {
    const OtherInput input(ends[0]);
    CHECK(*read_text("-") == "by socket");
  }
  ::close(ends[0]);
}

TEST_CASE("An interrupt that came before a line is waited for is not missed") {
  Pipe pipe;
  const OtherInput input(pipe.out);
  Interrupts interrupts;
  ::raise(SIGINT);
  CHECK_FALSE(read_line().has_value());
  CHECK(interrupts.take());
  pipe.put("later\n");
  CHECK(read_line() == "later");
}
