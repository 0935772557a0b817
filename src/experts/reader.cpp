#include "experts/reader.h"

#include <algorithm>

#include "base/check.h"
#include "base/clock.h"

namespace issun::experts {

Result<std::unique_ptr<Reader>> Reader::create(Source& source, const ReaderOptions& options) {
  CHECK_THAT(options.threads >= 1 && options.read_bytes >= Source::kBlock &&
             options.read_bytes % Source::kBlock == 0);
  std::unique_ptr<Reader> reader(new Reader(source, options));
  for (int i = 0; i < options.threads; ++i) {
    reader->threads_.push_back(TRY(Thread::start([raw = reader.get()] { raw->run(); })));
  }
  return reader;
}

Reader::~Reader() {
  {
    const Lock lock(mutex_);
    stop_ = true;
  }
  work_.notify_all();
  threads_.clear();
}

void Reader::submit(Load& load, Urgency urgency) {
  {
    const Lock lock(mutex_);
    CHECK_THAT(load.state != Load::State::Waiting && load.running == 0);
    CHECK_THAT(!load.extents.empty());
    load.state = Load::State::Waiting;
    load.urgency = urgency;
    load.extent = 0;
    load.offset = 0;
    load.failed = false;
    (urgency == Urgency::Needed ? needed_ : expected_).push_back(&load);
  }
  work_.notify_all();
}

void Reader::raise(Load& load) {
  const Lock lock(mutex_);
  if (load.state != Load::State::Waiting || load.urgency == Urgency::Needed) return;
  std::erase(expected_, &load);
  load.urgency = Urgency::Needed;
  needed_.push_back(&load);
}

bool Reader::cancel(Load& load) {
  const Lock lock(mutex_);
  if (load.state != Load::State::Waiting || load.running > 0 || load.extent != 0 ||
      load.offset != 0) {
    return false;
  }
  std::erase(load.urgency == Urgency::Needed ? needed_ : expected_, &load);
  load.state = Load::State::Idle;
  return true;
}

bool Reader::done(const Load& load) const {
  const Lock lock(mutex_);
  return load.state == Load::State::Done;
}

void Reader::wait_for_one(std::span<Load* const> loads) const {
  Lock lock(mutex_);
  finished_.wait(lock, [&] {
    return std::any_of(loads.begin(), loads.end(),
                       [](const Load* load) { return load->state == Load::State::Done; });
  });
}

Result<void> Reader::result(const Load& load) const {
  const Lock lock(mutex_);
  CHECK_THAT(load.state == Load::State::Done);
  if (load.failed) return tl::unexpected<Error>(load.error);
  return {};
}

ReaderStatistics Reader::statistics() const {
  const Lock lock(mutex_);
  ReaderStatistics now = statistics_;
  if (running_ > 0) now.busy_seconds += seconds_now() - busy_since_;
  return now;
}

// The next read, of what is needed before what is expected; with the lock held.
Load* Reader::take(Extent* part) {
  std::vector<Load*>& queue = needed_.empty() ? expected_ : needed_;
  Load& load = *queue.front();
  const Extent& whole = load.extents[load.extent];
  *part = whole;
  part->offset += load.offset;
  part->at += load.offset;
  part->bytes = std::min(options_.read_bytes, whole.bytes - load.offset);
  load.offset += part->bytes;
  ++load.running;
  if (load.offset == whole.bytes) {
    load.offset = 0;
    ++load.extent;
  }
  // What failed needs no more of it.
  if (load.extent == load.extents.size() || load.failed) {
    load.state = Load::State::Handed;
    queue.erase(queue.begin());
  }
  return &load;
}

void Reader::finish(Load& load, Result<void> read, int64_t bytes) {
  ++statistics_.reads;
  statistics_.bytes += bytes;
  if (!read && !load.failed) {
    load.failed = true;
    load.error = std::move(read.error());
    if (load.state == Load::State::Waiting) {
      std::erase(load.urgency == Urgency::Needed ? needed_ : expected_, &load);
      load.state = Load::State::Handed;
    }
  }
  if (--load.running == 0 && load.state == Load::State::Handed) {
    load.state = Load::State::Done;
    finished_.notify_all();
  }
}

void Reader::run() {
  Lock lock(mutex_);
  for (;;) {
    work_.wait(lock, [&] { return stop_ || !needed_.empty() || !expected_.empty(); });
    if (stop_) return;
    Extent part;
    Load* load = take(&part);
    std::byte* const to = load->memory + part.at;
    if (running_++ == 0) busy_since_ = seconds_now();
    lock.unlock();
    Result<void> read = source_.read(part.file, part.offset, {to, static_cast<size_t>(part.bytes)});
    lock.lock();
    if (--running_ == 0) statistics_.busy_seconds += seconds_now() - busy_since_;
    finish(*load, std::move(read), part.bytes);
  }
}

}  // namespace issun::experts
