// No threads: what wants one of its own is told so, and Workers of one compute on the caller's.
#include "base/thread.h"

namespace issun {

struct Thread::Running {};

Result<std::unique_ptr<Thread>> Thread::start(std::function<void()>) {
  return fail("thread: WebAssembly has no more than one here");
}

Thread::Thread(std::unique_ptr<Running>) {}
Thread::~Thread() = default;

}  // namespace issun
