#include "base/streams.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

using namespace issun;

namespace {

// What a child process that runs `body` exits with; -1: it did not exit by itself.
template <class Body>
int exit_code_of(Body body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("A closed standard stream is taken by nothing that is opened later") {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    CAPTURE(stream);
    CHECK(exit_code_of([stream] {
            ::close(stream);
            prepare_streams();
            return ::open("/dev/null", O_RDONLY);
          }) > STDERR_FILENO);
  }
  CHECK(exit_code_of([] {
          for (int stream = 0; stream < 3; ++stream) ::close(stream);
          prepare_streams();
          char c;
          return ::read(STDIN_FILENO, &c, 1) == 0 && ::write(STDERR_FILENO, "x", 1) == 1 ? 0 : 1;
        }) == 0);
}

TEST_CASE("A failed write to standard output is remembered, and what failed is told") {
  CHECK(exit_code_of([] {
          ::dup2(::open("/dev/full", O_WRONLY), STDOUT_FILENO);
          if (!written_out()) return 1;
          write_out("a");
          write_out("b");
          const auto written = written_out();
          return !written && written.error().message == "stdout: No space left on device" ? 0 : 2;
        }) == 0);
  CHECK(exit_code_of([] {
          ::close(STDOUT_FILENO);
          prepare_streams();
          write_out("a");
          return written_out() ? 1 : 0;
        }) == 0);
}

TEST_CASE("Text arrives whole through a pipe that does not wait and is smaller than it") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const std::string text(300'000, 'x');
  std::fflush(stdout);  // what waits there would be written by the child too
  const pid_t writer = ::fork();
  if (writer == 0) {
    ::close(ends[0]);
    ::fcntl(ends[1], F_SETFL, O_NONBLOCK);
    ::dup2(ends[1], STDOUT_FILENO);
    write_out(text);
    ::_exit(written_out() ? 0 : 1);
  }
  ::close(ends[1]);
  size_t arrived = 0;
  char piece[4096];
  for (ssize_t got; (got = ::read(ends[0], piece, sizeof(piece))) > 0;) {
    arrived += static_cast<size_t>(got);
  }
  ::close(ends[0]);
  int status = 0;
  REQUIRE(::waitpid(writer, &status, 0) == writer);
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(arrived == text.size());
}
