// A fork-join pool of threads for computing, made for many short regions.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

#include "base/result.h"
#include "base/thread.h"

namespace issun {

// How long a worker that has nothing to do keeps looking before it sleeps: longer than the gap
// between two regions of a token, shorter than anything a person or a power meter would notice.
// Measured: docs/measurements/2026-11-waiting.md.
constexpr int kSpinMicroseconds = 200;

// A pool of `count` workers, the caller being the first. Between regions workers spin for a while
// and then sleep in the kernel: no CPU is used while idle.
// Work is handed out in chunks from a shared counter, so a slow or busy core takes fewer.
// One thread owns a Workers and calls it; regions do not nest. Nothing here allocates after
// construction.
class Workers {
 public:
  // At least one. spin_microseconds: kSpinMicroseconds; 0: workers sleep at once. Error: the
  // system lets no more threads be.
  static Result<std::unique_ptr<Workers>> create(int count,
                                                 int spin_microseconds = kSpinMicroseconds);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  int count() const { return count_; }

  // body(begin, end, worker) for chunks that cover [0, total), each but the last `chunk` long;
  // returns when all are done. worker is in [0, count()).
  template <class Body>
  void for_each(int64_t total, int64_t chunk, Body&& body) {
    run(
        total, chunk,
        [](void* b, int64_t begin, int64_t end, int worker) {
          (*static_cast<std::remove_reference_t<Body>*>(b))(begin, end, worker);
        },
        &body);
  }

 private:
  Workers(int count, int spin_microseconds) : count_(count), spin_(spin_microseconds) {}
  using Call = void (*)(void* body, int64_t begin, int64_t end, int worker);
  void run(int64_t total, int64_t chunk, Call call, void* body);
  void work(int worker);
  void join_in(int worker);
  void loop(int worker);

  const int count_;
  const std::chrono::microseconds spin_;
  std::vector<std::unique_ptr<Thread>> threads_;
  // The region being run; written by the owner while it is closed and empty, read by workers
  // inside.
  int64_t total_ = 0, chunk_ = 1;
  Call call_ = nullptr;
  void* body_ = nullptr;
  alignas(64) std::atomic<int64_t> next_{0};    // first index not handed out yet
  alignas(64) std::atomic<uint32_t> epoch_{0};  // counts regions; workers wait for it to move
  // Whether workers may enter the region (the top bit), and how many are inside. The owner waits
  // for those inside only: one that another program keeps from running is not missed.
  alignas(64) std::atomic<uint32_t> region_{0};
  std::atomic<int32_t> sleepers_{0};  // workers inside the kernel's wait
  std::atomic<bool> stop_{false};
};

// How many workers a machine like this is best served with: the physical cores this process may
// use, and no more than its CPU quota.
int default_thread_count();

}  // namespace issun
