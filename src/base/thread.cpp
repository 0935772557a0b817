#include "base/thread.h"

#include <string.h>

namespace issun {

Result<std::unique_ptr<Thread>> Thread::start(std::function<void()> body) {
  std::unique_ptr<Thread> thread(new Thread(std::move(body)));
  const auto run = [](void* started) -> void* {
    static_cast<Thread*>(started)->body_();
    return nullptr;
  };
  const int failure = ::pthread_create(&thread->thread_, nullptr, run, thread.get());
  if (failure != 0) return fail("thread: cannot start one more: {}", ::strerror(failure));
  thread->started_ = true;
  return thread;
}

Thread::~Thread() {
  if (started_) ::pthread_join(thread_, nullptr);
}

}  // namespace issun
