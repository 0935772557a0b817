// Requests of many clients, answered by one engine on a thread of its own: a queue before it, what
// happens to each request told as it happens, and figures for those who watch.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/thread.h"
#include "engine/engine.h"

namespace issun::serve {

using JobId = int64_t;

// One piece of news of a job; the last has event.finish other than Running, or an error.
struct News {
  engine::Event event;
  std::string error;  // not empty: the job has ended without an answer, and why
};

struct Job {
  engine::Request request;
  // Called on the engine's thread, in order, never after the last piece of news; must not block.
  std::function<void(const News&)> listener;
  int priority = 0;     // the highest waits least; among equals the oldest
  double deadline = 0;  // as seconds_now(): a job that waits longer is given up; 0: none
};

struct ServiceOptions {
  engine::EngineOptions engine;
  int most_running = 1;                       // sequences of the decoder
  int most_waiting = 64;                      // beyond those that run
  std::optional<engine::ShelfOptions> shelf;  // what is kept goes to files at the end
};

// Sums since the start, and how it stands.
struct ServiceFigures {
  int64_t jobs = 0;  // ended
  int64_t prompt_tokens = 0, cached_tokens = 0, generated_tokens = 0;
  int64_t first_tokens = 0;                         // of those generated, that came with the prompt
  int64_t drafted_tokens = 0, accepted_tokens = 0;  // as RequestStatistics has them
  double prompt_seconds = 0, generation_seconds = 0;  // of jobs, as RequestStatistics has them
  int64_t steps = 0, rows = 0;                        // batches, and what came of them
  double busy_seconds = 0;                            // inside of steps
  int running = 0, waiting = 0;
  int pages = 0, free_pages = 0;  // of the cache
};

enum class WhyRefused { Invalid, QueueFull, Stopping };
struct Refused {
  WhyRefused why;
  std::string message;
};

class Service {
 public:
  // The decoder and the tokenizer outlive the service. Error: no thread; what
  // SnapshotShelf::open says.
  static Result<std::unique_ptr<Service>> start(model::Decoder& decoder,
                                                const tokenizer::Tokenizer& tokenizer,
                                                cache::PagedKv cache,
                                                const ServiceOptions& options);
  // Jobs that have not ended are cancelled, and told so; what is kept is saved.
  ~Service();

  // From any thread. The listener may be called before this returns.
  tl::expected<JobId, Refused> submit(Job job);
  // From any thread, also from a listener. The job's last news comes from the engine's thread; one
  // that has ended is left alone.
  void cancel(JobId job);
  // `work` is done on the engine's thread, a piece between two batches; never once the service
  // ends, nor once `gone` says that nobody wants it. As many pieces wait as jobs may, at least one.
  // From any thread.
  tl::expected<void, Refused> ask(std::function<void(engine::Engine&)> work,
                                  std::shared_ptr<const std::atomic<bool>> gone = nullptr);
  // No further job is taken, nor work.
  void refuse_more();
  // There is no time to save what is kept.
  void save_nothing() { saves_ = false; }
  bool idle() const;
  ServiceFigures figures() const;
  const ServiceOptions& options() const { return options_; }

 private:
  struct Waiting {
    JobId id;
    Job job;
  };
  struct Piece {
    std::function<void(engine::Engine&)> work;
    std::shared_ptr<const std::atomic<bool>> gone;
  };
  Service(model::Decoder& decoder, const tokenizer::Tokenizer& tokenizer, cache::PagedKv cache,
          const ServiceOptions& options)
      : options_(options), engine_(decoder, tokenizer, std::move(cache), options.engine) {}
  void run();
  bool wait_for_work();
  void do_asked();
  void cancel_those(const std::vector<JobId>& jobs);
  void admit();
  void give_up_late();
  void begin(Waiting next);
  void step();
  void count(std::span<const engine::Event> events, double seconds);
  void end(const std::function<void(const News&)>& listener, const News& last);
  void note_figures();

  const ServiceOptions options_;
  engine::Engine engine_;  // of the thread, but for check()
  struct Running {
    JobId id;
    std::function<void(const News&)> listener;
  };
  std::unordered_map<engine::RequestId, Running> running_;  // of the thread

  std::atomic<bool> saves_ = true;

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable work_;
  std::vector<Waiting> waiting_;  // in the order they came
  std::vector<JobId> cancelled_;
  std::deque<Piece> asked_;
  JobId next_id_ = 1;
  int64_t open_ = 0;  // jobs that have not been told their last news
  bool refusing_ = false, stopping_ = false;
  ServiceFigures figures_;

  std::unique_ptr<Thread> thread_;  // last: it ends before what it works on
};

}  // namespace issun::serve
