#include "base/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

namespace issun {

namespace {

int output_failure = 0;  // errno of the first failed write

bool wait_until_writable() {
  pollfd stream{STDOUT_FILENO, POLLOUT, 0};
  return ::poll(&stream, 1, -1) >= 0 || errno == EINTR;
}

}  // namespace

void prepare_streams() {
  ::signal(SIGPIPE, SIG_DFL);
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) != -1 || errno != EBADF) continue;
    // open() takes the lowest free number, which is this one: those below are open by now.
    // What is opened for reading alone refuses to be written to, as the closed stream would have.
    (void)::open("/dev/null", stream == STDOUT_FILENO ? O_RDONLY : O_RDWR);
  }
}

void write_out(std::string_view text) {
  while (!text.empty() && output_failure == 0) {
    const ssize_t put = ::write(STDOUT_FILENO, text.data(), text.size());
    if (put >= 0) {
      text.remove_prefix(static_cast<size_t>(put));
    } else if (errno == EAGAIN && wait_until_writable()) {
      continue;  // a terminal that another program set not to wait
    } else if (errno != EINTR) {
      output_failure = errno;
    }
  }
}

Result<void> written_out() {
  if (output_failure == 0) return {};
  return fail("stdout: {}", ::strerror(output_failure));
}

}  // namespace issun
