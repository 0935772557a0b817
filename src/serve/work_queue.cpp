#include "serve/work_queue.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

namespace issun::serve {

Result<std::unique_ptr<WorkQueue>> WorkQueue::start(size_t most_waiting) {
  std::unique_ptr<WorkQueue> queue(new WorkQueue(most_waiting));
  queue->thread_ = TRY(Thread::start([raw = queue.get()] { raw->run(); }));
  return queue;
}

WorkQueue::~WorkQueue() {
  std::deque<Piece> dropped;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    dropped.swap(waiting_);
  }
  changed_.notify_all();
}

bool WorkQueue::add(std::function<void()> work, std::shared_ptr<const std::atomic<bool>> gone) {
  std::vector<Piece> dropped;  // ended without the mutex: what they hold may do anything
  {
    const std::lock_guard lock(mutex_);
    const auto kept = std::stable_partition(
        waiting_.begin(), waiting_.end(),
        [](const Piece& piece) { return piece.gone == nullptr || !*piece.gone; });
    std::move(kept, waiting_.end(), std::back_inserter(dropped));
    waiting_.erase(kept, waiting_.end());
    if (stopping_ || waiting_.size() + (working_ ? 1 : 0) > most_waiting_) return false;
    waiting_.push_back({std::move(work), std::move(gone)});
  }
  changed_.notify_one();
  return true;
}

bool WorkQueue::stopping() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void WorkQueue::run() {
  while (true) {
    Piece next;
    {
      std::unique_lock lock(mutex_);
      working_ = false;
      changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (stopping_) return;
      next = std::move(waiting_.front());
      waiting_.pop_front();
      working_ = true;
    }
    next.work();
  }
}

}  // namespace issun::serve
