// Mutual exclusion between threads, and waiting for what another thread does. In WebAssembly there
// is one thread, which excludes nobody and has nobody to wait for.
#pragma once

#ifdef __wasm__

#include "base/check.h"

namespace issun {

class Mutex {};

class Lock {
 public:
  explicit Lock(Mutex&) {}
  void lock() {}
  void unlock() {}
};

class Condition {
 public:
  void notify_all() {}
  template <class Predicate>
  void wait(Lock&, Predicate&& holds) {
    CHECK_THAT(holds());  // else for ever
  }
};

}  // namespace issun

#else

#include <condition_variable>
#include <mutex>

namespace issun {

using Mutex = std::mutex;
using Lock = std::unique_lock<std::mutex>;
using Condition = std::condition_variable;

}  // namespace issun

#endif
