// Reads on their own threads, straight into the memory of those who wait. What is needed now goes
// before what is only expected.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/lock.h"
#include "base/thread.h"
#include "experts/source.h"

namespace issun::experts {

enum class Urgency { Needed, Expected };

// Some extents on their way into one piece of memory. The owner keeps it where it is from submit()
// until done().
struct Load {
  std::span<const Extent> extents;
  std::byte* memory = nullptr;

 private:
  friend class Reader;
  enum class State : uint8_t { Idle, Waiting, Handed, Done };
  State state = State::Idle;  // Waiting: some of it is not handed to a thread yet
  Urgency urgency = Urgency::Needed;
  size_t extent = 0;  // what is handed out next
  int64_t offset = 0;
  int running = 0;  // reads
  bool failed = false;
  Error error;
};

struct ReaderOptions {
  int threads = 3;
  int64_t read_bytes = 1 << 20;  // of one read
};

struct ReaderStatistics {
  int64_t reads = 0, bytes = 0;
  double busy_seconds = 0;  // at least one read was running
};

class Reader {
 public:
  // The source must outlive the reader. Error: a thread that cannot be had.
  static Result<std::unique_ptr<Reader>> create(Source& source, const ReaderOptions& options);
  // Waits for the reads that run; others are not begun any more.
  ~Reader();

  // One thread calls what follows.
  void submit(Load& load, Urgency urgency);
  // It is needed now, if it was only expected.
  void raise(Load& load);
  // Takes it back if no read of it has begun; then it may go. False otherwise.
  bool cancel(Load& load);
  bool done(const Load& load) const;
  // Until one of them is done. At least one; all submitted.
  void wait_for_one(std::span<Load* const> loads) const;
  // Of a load that is done. Error: that of its first read that failed.
  Result<void> result(const Load& load) const;
  ReaderStatistics statistics() const;

 private:
  Reader(Source& source, const ReaderOptions& options) : source_(source), options_(options) {}
  void run();
  Load* take(Extent* part);
  void finish(Load& load, Result<void> read, int64_t bytes);

  Source& source_;
  const ReaderOptions options_;
  mutable Mutex mutex_;  // guards all below, and the private half of every load
  mutable Condition work_, finished_;
  std::vector<Load*> needed_, expected_;  // that have something to hand out
  bool stop_ = false;
  int running_ = 0;
  double busy_since_ = 0;
  ReaderStatistics statistics_;
  std::vector<std::unique_ptr<Thread>> threads_;
};

}  // namespace issun::experts
