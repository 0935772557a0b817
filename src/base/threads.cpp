#include "base/threads.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/cpu.h"
#include "base/cpu_quota.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace issun {

namespace {

constexpr uint32_t kOpen = uint32_t{1} << 31;  // of Workers::region_

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// A wait that is short, most of the time.
class Spin {
 public:
  explicit Spin(std::chrono::microseconds longest) : longest_(longest) {}
  // Waits a moment; false, without waiting, once the time is over.
  bool goes_on() {
    if (count_ % kBetweenLooks == 0) {
      const Clock::time_point now = Clock::now();
      if (count_ == 0) end_ = now + longest_;
      if (now >= end_) return false;
    }
    ++count_;
    pause();
    return true;
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr int kBetweenLooks = 16;  // at the clock, which costs as much as a pause
  const std::chrono::microseconds longest_;
  Clock::time_point end_;
  int64_t count_ = 0;
};

}  // namespace

Result<std::unique_ptr<Workers>> Workers::create(int count, int spin_microseconds) {
  std::unique_ptr<Workers> workers(new Workers(std::max(1, count), spin_microseconds));
  for (int worker = 1; worker < workers->count_; ++worker) {
    Result<std::unique_ptr<Thread>> thread =
        Thread::start([raw = workers.get(), worker] { raw->loop(worker); });
    if (!thread) {
      return fail("threads: cannot start number {} of {}: {}", worker + 1, workers->count_,
                  thread.error().message);
    }
    workers->threads_.push_back(std::move(*thread));
  }
  return workers;
}

Workers::~Workers() {
  stop_.store(true);
  epoch_.fetch_add(1);
  epoch_.notify_all();
  threads_.clear();  // waits for each
}

void Workers::run(int64_t total, int64_t chunk, Call call, void* body) {
  CHECK_THAT(chunk > 0);
  if (total <= 0) return;
  if (count_ == 1 || total <= chunk) {
    for (int64_t begin = 0; begin < total; begin += chunk) {
      call(body, begin, std::min(total, begin + chunk), 0);
    }
    return;
  }
  total_ = total;
  chunk_ = chunk;
  call_ = call;
  body_ = body;
  next_.store(0, std::memory_order_relaxed);
  region_.store(kOpen, std::memory_order_release);
  // Sequentially consistent with the sleepers' own order (count up, then look at the epoch): either
  // they see the new epoch or this sees them.
  epoch_.fetch_add(1);
  if (sleepers_.load() > 0) epoch_.notify_all();
  work(0);
  // Everything is handed out: who comes now comes too late, and who is inside is waited for.
  uint32_t inside = region_.fetch_and(~kOpen, std::memory_order_acq_rel) & ~kOpen;
  for (Spin spin(spin_); inside != 0; inside = region_.load(std::memory_order_acquire)) {
    if (!spin.goes_on()) region_.wait(inside, std::memory_order_acquire);
  }
}

void Workers::join_in(int worker) {
  uint32_t region = region_.load(std::memory_order_relaxed);
  while ((region & kOpen) != 0) {
    if (!region_.compare_exchange_weak(region, region + 1, std::memory_order_acq_rel,
                                       std::memory_order_relaxed)) {
      continue;
    }
    work(worker);
    if (region_.fetch_sub(1, std::memory_order_acq_rel) == 1) region_.notify_one();
    return;
  }
}

void Workers::work(int worker) {
  const int64_t total = total_, chunk = chunk_;
  for (;;) {
    const int64_t begin = next_.fetch_add(chunk, std::memory_order_relaxed);
    if (begin >= total) return;
    call_(body_, begin, std::min(total, begin + chunk), worker);
  }
}

void Workers::loop(int worker) {
  uint32_t seen = 0;
  for (;;) {
    for (Spin spin(spin_); epoch_.load(std::memory_order_acquire) == seen;) {
      if (spin.goes_on()) continue;
      sleepers_.fetch_add(1);
      epoch_.wait(seen);
      sleepers_.fetch_sub(1);
    }
    // The epoch first: whoever sees the one that the end began with sees that it is the end.
    seen = epoch_.load();
    if (stop_.load()) return;
    join_in(worker);
  }
}

int default_thread_count() {
  static const int quota = cpu_quota();
  const int cores = cpu_facts().physical_cores;
  return quota > 0 ? std::min(quota, cores) : cores;
}

}  // namespace issun
