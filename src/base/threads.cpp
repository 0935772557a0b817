#include "base/threads.h"

#include <algorithm>

#include "base/check.h"
#include "base/cpu.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace issun {

namespace {

// About 20 microseconds of spinning before sleeping: longer than the gap between two regions of a
// token, shorter than anything a person or a power meter would notice.
constexpr int kSpins = 2000;

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

}  // namespace

Workers::Workers(int count) : count_(std::max(1, count)) {
  threads_.reserve(static_cast<size_t>(count_ - 1));
  for (int worker = 1; worker < count_; ++worker) {
    threads_.emplace_back([this, worker] { loop(worker); });
  }
}

Workers::~Workers() {
  stop_.store(true);
  epoch_.fetch_add(1);
  epoch_.notify_all();
  for (std::thread& thread : threads_) thread.join();
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
  busy_.store(count_ - 1, std::memory_order_relaxed);
  // Sequentially consistent with the sleepers' own order (count up, then look at the epoch): either
  // they see the new epoch or this sees them.
  epoch_.fetch_add(1);
  if (sleepers_.load() > 0) epoch_.notify_all();
  work(0);
  for (int spin = 0; busy_.load(std::memory_order_acquire) != 0;) {
    if (++spin < kSpins) {
      pause();
    } else if (const int32_t busy = busy_.load(std::memory_order_acquire); busy != 0) {
      busy_.wait(busy, std::memory_order_acquire);
    }
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
    for (int spin = 0; epoch_.load(std::memory_order_acquire) == seen;) {
      if (++spin < kSpins) {
        pause();
        continue;
      }
      sleepers_.fetch_add(1);
      epoch_.wait(seen);
      sleepers_.fetch_sub(1);
    }
    if (stop_.load()) return;
    ++seen;
    work(worker);
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
  }
}

int default_thread_count() { return cpu_facts().physical_cores; }

}  // namespace issun
