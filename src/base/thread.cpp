#include "base/thread.h"

#include <pthread.h>
#include <string.h>

#include <utility>

namespace issun {

struct Thread::Running {
  std::function<void()> body;
  pthread_t thread = {};
};

// Not std::thread: it throws where the system has no thread to give, and nothing here may throw.
Result<std::unique_ptr<Thread>> Thread::start(std::function<void()> body) {
  auto running = std::make_unique<Running>(Running{std::move(body)});
  const auto run = [](void* started) -> void* {
    static_cast<Running*>(started)->body();
    return nullptr;
  };
  const int failure = ::pthread_create(&running->thread, nullptr, run, running.get());
  if (failure != 0) return fail("thread: cannot start one more: {}", ::strerror(failure));
  return std::unique_ptr<Thread>(new Thread(std::move(running)));
}

Thread::Thread(std::unique_ptr<Running> running) : running_(std::move(running)) {}

Thread::~Thread() { ::pthread_join(running_->thread, nullptr); }

}  // namespace issun
