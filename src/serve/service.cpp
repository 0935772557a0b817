#include "serve/service.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"

namespace issun::serve {

Result<std::unique_ptr<Service>> Service::start(model::Decoder& decoder,
                                                const tokenizer::Tokenizer& tokenizer,
                                                cache::PagedKv cache,
                                                const ServiceOptions& options) {
  ServiceOptions resolved = options;
  resolved.most_running = std::min(options.most_running, decoder.max_sequences());
  std::unique_ptr<Service> service(new Service(decoder, tokenizer, std::move(cache), resolved));
  if (options.shelf) TRY(service->engine_.open_shelf(*options.shelf));
  service->note_figures();
  service->thread_ = TRY(Thread::start([raw = service.get()] { raw->run(); }));
  return service;
}

Service::~Service() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = refusing_ = true;
  }
  work_.notify_all();
}

tl::expected<JobId, Refused> Service::submit(Job job) {
  if (auto sound = engine_.check(job.request); !sound)
    return tl::unexpected(Refused{WhyRefused::Invalid, std::move(sound.error().message)});
  JobId id;
  {
    const std::lock_guard lock(mutex_);
    if (refusing_)
      return tl::unexpected(Refused{WhyRefused::Stopping, "the server is shutting down"});
    const int ahead = static_cast<int>(waiting_.size());
    if (ahead >= options_.most_waiting + options_.most_running - figures_.running) {
      return tl::unexpected(Refused{
          WhyRefused::QueueFull,
          fmt::format("{} requests wait already, which is as many as may", options_.most_waiting)});
    }
    id = next_id_++;
    waiting_.push_back({id, std::move(job)});
    ++figures_.waiting;
    ++open_;
  }
  work_.notify_one();
  return id;
}

void Service::cancel(JobId job) {
  {
    const std::lock_guard lock(mutex_);
    cancelled_.push_back(job);
  }
  work_.notify_one();
}

tl::expected<void, Refused> Service::ask(std::function<void(engine::Engine&)> work,
                                         std::shared_ptr<const std::atomic<bool>> gone) {
  {
    const std::lock_guard lock(mutex_);
    if (refusing_)
      return tl::unexpected(Refused{WhyRefused::Stopping, "the server is shutting down"});
    const int most = std::max(1, options_.most_waiting);
    if (static_cast<int>(asked_.size()) >= most) {
      return tl::unexpected(
          Refused{WhyRefused::QueueFull,
                  fmt::format("{} actions wait already, which is as many as may", most)});
    }
    asked_.push_back({std::move(work), std::move(gone)});
  }
  work_.notify_one();
  return {};
}

// One piece that is still wanted: those who wait for tokens come next.
void Service::do_asked() {
  std::vector<Piece> over;  // ended without the mutex: what they hold may do anything
  Piece next;
  {
    const std::lock_guard lock(mutex_);
    while (!asked_.empty() && next.work == nullptr) {
      Piece first = std::move(asked_.front());
      asked_.pop_front();
      const bool wanted = first.gone == nullptr || !*first.gone;
      if (wanted)
        next = std::move(first);
      else
        over.push_back(std::move(first));
    }
  }
  if (next.work) next.work(engine_);
}

void Service::refuse_more() {
  const std::lock_guard lock(mutex_);
  refusing_ = true;
}

bool Service::idle() const {
  const std::lock_guard lock(mutex_);
  return open_ == 0;
}

ServiceFigures Service::figures() const {
  const std::lock_guard lock(mutex_);
  return figures_;
}

void Service::run() {
  while (wait_for_work()) {
    std::vector<JobId> cancelled;
    {
      const std::lock_guard lock(mutex_);
      cancelled.swap(cancelled_);
    }
    cancel_those(cancelled);
    do_asked();
    give_up_late();
    admit();
    if (!engine_.idle()) step();
    note_figures();
  }
  std::vector<JobId> all;
  {
    const std::lock_guard lock(mutex_);
    for (const Waiting& waiting : waiting_) all.push_back(waiting.id);
  }
  for (const auto& [request, running] : running_) all.push_back(running.id);
  cancel_those(all);
  if (saves_) engine_.save_kept();
}

// false: it is time to stop.
bool Service::wait_for_work() {
  std::unique_lock lock(mutex_);
  work_.wait(lock, [&] {
    return stopping_ || !waiting_.empty() || !cancelled_.empty() || !asked_.empty() ||
           !engine_.idle();
  });
  return !stopping_;
}

void Service::cancel_those(const std::vector<JobId>& jobs) {
  for (const JobId id : jobs) {
    const auto running = std::find_if(running_.begin(), running_.end(),
                                      [&](const auto& entry) { return entry.second.id == id; });
    if (running != running_.end()) {
      const News last{engine_.cancel(running->first), ""};
      const auto listener = std::move(running->second.listener);
      running_.erase(running);
      end(listener, last);
      continue;
    }
    std::function<void(const News&)> listener;
    {
      const std::lock_guard lock(mutex_);
      const auto waiting = std::find_if(waiting_.begin(), waiting_.end(),
                                        [&](const Waiting& w) { return w.id == id; });
      if (waiting == waiting_.end()) continue;
      listener = std::move(waiting->job.listener);
      waiting_.erase(waiting);
    }
    News last;
    last.event.finish = engine::Finish::Cancelled;
    end(listener, last);
  }
}

void Service::give_up_late() {
  std::vector<Waiting> late;
  {
    const std::lock_guard lock(mutex_);
    const double now = seconds_now();
    const auto is_late = [&](const Waiting& w) {
      return w.job.deadline > 0 && now > w.job.deadline;
    };
    for (Waiting& waiting : waiting_) {
      if (is_late(waiting)) late.push_back(std::move(waiting));
    }
    std::erase_if(waiting_, [&](const Waiting& w) { return is_late(w); });
  }
  for (const Waiting& waiting : late) {
    end(waiting.job.listener, {{}, "the deadline passed before the request's turn came"});
  }
}

void Service::admit() {
  while (engine_.running() < options_.most_running) {
    Waiting next;
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.empty()) return;
      const auto first = std::max_element(
          waiting_.begin(), waiting_.end(),
          [](const Waiting& a, const Waiting& b) { return a.job.priority < b.job.priority; });
      // It waits until all have ended, and none goes before it: else it might wait for ever.
      if (!engine_.may_join(first->job.request)) return;
      next = std::move(*first);
      waiting_.erase(first);
    }
    begin(std::move(next));
  }
}

void Service::begin(Waiting next) {
  const auto request = engine_.submit(std::move(next.job.request));
  if (!request) {
    end(next.job.listener, {{}, request.error().message});
    return;
  }
  running_.emplace(*request, Running{next.id, std::move(next.job.listener)});
}

void Service::step() {
  const double start = seconds_now();
  const auto events = engine_.step();
  count(events, seconds_now() - start);  // first, so that who has an answer finds it counted
  for (const engine::Event& event : events) {
    const auto running = running_.find(event.request);
    if (running == running_.end()) continue;
    if (event.finish == engine::Finish::Running) {
      running->second.listener({event, ""});
      continue;
    }
    const auto listener = std::move(running->second.listener);
    running_.erase(running);
    end(listener, {event, event.error});
  }
}

void Service::count(std::span<const engine::Event> events, double seconds) {
  const std::lock_guard lock(mutex_);
  ServiceFigures& f = figures_;
  f.rows += static_cast<int64_t>(events.size());
  ++f.steps;
  f.busy_seconds += seconds;
  for (const engine::Event& event : events) {
    if (event.finish == engine::Finish::Running) continue;
    const engine::RequestStatistics& s = event.statistics;
    ++f.jobs;
    f.prompt_tokens += s.prompt_tokens;
    f.cached_tokens += s.cached_tokens;
    f.generated_tokens += s.generated_tokens;
    f.drafted_tokens += s.drafted_tokens;
    f.accepted_tokens += s.accepted_tokens;
    f.first_tokens += s.generated_tokens > 0 ? 1 : 0;
    f.prompt_seconds += s.prompt_seconds;
    f.generation_seconds += s.generation_seconds;
  }
}

void Service::end(const std::function<void(const News&)>& listener, const News& last) {
  note_figures();  // who is told finds it so
  listener(last);
  const std::lock_guard lock(mutex_);
  --open_;
}

void Service::note_figures() {
  const std::lock_guard lock(mutex_);
  figures_.running = engine_.running();
  figures_.waiting = static_cast<int>(waiting_.size());
  figures_.pages = engine_.cache().page_count();
  figures_.free_pages = engine_.cache().free_pages();
}

}  // namespace issun::serve
