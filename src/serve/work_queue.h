// Work that is done one piece after the other on a thread of its own, so that those who answer
// requests do not wait for it; so much may wait and no more.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include "base/thread.h"

namespace issun::serve {

class WorkQueue {
 public:
  // Error: no thread.
  static Result<std::unique_ptr<WorkQueue>> start(size_t most_waiting);
  // What waits is dropped; what runs is told by stopping(), and waited for.
  ~WorkQueue();

  // From any thread. false: as much waits as may, besides a piece that is done. `gone`, if there
  // is one, says that nobody wants it any more: then it holds no place.
  bool add(std::function<void()> work, std::shared_ptr<const std::atomic<bool>> gone = nullptr);
  bool stopping() const;

 private:
  explicit WorkQueue(size_t most_waiting) : most_waiting_(most_waiting) {}
  struct Piece {
    std::function<void()> work;
    std::shared_ptr<const std::atomic<bool>> gone;
  };
  void run();

  const size_t most_waiting_;
  mutable std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::deque<Piece> waiting_;
  bool working_ = false, stopping_ = false;
  std::unique_ptr<Thread> thread_;  // last: it ends before what it works on
};

}  // namespace issun::serve
