// One thread with one job, beside the pools of base/threads.h.
#pragma once

#include <pthread.h>

#include <functional>
#include <memory>
#include <utility>

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
  explicit Thread(std::function<void()> body) : body_(std::move(body)) {}
  std::function<void()> body_;
  pthread_t thread_ = {};
  bool started_ = false;
};

}  // namespace issun
