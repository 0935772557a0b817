// One thread with one job, beside the pools of base/threads.h, which are made of these.
#pragma once

#include <functional>
#include <memory>

#include "base/result.h"

namespace issun {

// Runs `body` from start() on; the end of its life waits for the end of the body.
class Thread {
 public:
  // Error: the system lets no more threads be.
  static Result<std::unique_ptr<Thread>> start(std::function<void()> body);
  ~Thread();
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;

 private:
  struct Running;  // as the system knows it
  explicit Thread(std::unique_ptr<Running> running);
  const std::unique_ptr<Running> running_;
};

}  // namespace issun
