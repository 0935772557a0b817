#include "serve/service.h"

#include <doctest/doctest.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <map>
#include <mutex>

#include "base/clock.h"
#include "engine/test_tokenizer.h"
#include "model/fake.h"

using namespace issun;
using namespace issun::serve;

namespace {

constexpr int64_t kContext = 256;

struct Ended {
  std::vector<int32_t> tokens;
  engine::Finish finish = engine::Finish::Running;
  engine::RequestStatistics statistics;
  std::string error;
};

// A service over the fake model, and what it told.
struct Setting {
  explicit Setting(int most_running = 4, int most_waiting = 64)
      : decoder(engine::kTestVocabulary, 32, most_running, 0, 1),
        tokenizer(engine::test_tokenizer()) {
    ServiceOptions options;
    options.engine.context = kContext;
    options.most_running = most_running;
    options.most_waiting = most_waiting;
    service = *Service::start(decoder, tokenizer,
                              *cache::PagedKv::create(model::FakeDecoder::kv_shape(),
                                                      kContext * most_running, most_running),
                              options);
  }

  Job job(std::vector<int32_t> prompt, int max_tokens, int name) {
    Job job;
    job.request.prompt = std::move(prompt);
    job.request.max_tokens = max_tokens;
    job.request.sampling.temperature = 0;
    job.request.ignore_end = true;
    job.listener = [this, name](const News& news) {
      const std::lock_guard lock(mutex);
      Ended& ended = told[name];
      CHECK(ended.finish == engine::Finish::Running);
      CHECK(ended.error.empty());
      if (news.event.token >= 0) ended.tokens.push_back(news.event.token);
      ended.finish = news.event.finish;
      ended.statistics = news.event.statistics;
      ended.error = news.error;
      if (news.event.finish != engine::Finish::Running || !news.error.empty()) {
        order.push_back(name);
        changed.notify_all();
      }
    };
    return job;
  }
  void wait_for(size_t ends) {
    std::unique_lock lock(mutex);
    REQUIRE(changed.wait_for(lock, std::chrono::seconds(60), [&] { return order.size() >= ends; }));
  }
  static std::vector<int32_t> expected(std::vector<int32_t> history, int n, int shift = 0) {
    std::vector<int32_t> answer;
    for (int i = 0; i < n; ++i) {
      answer.push_back(model::FakeDecoder::next(model::FakeDecoder::shifted(history, shift),
                                                engine::kTestVocabulary));
      history.push_back(answer.back());
    }
    return answer;
  }

  model::FakeDecoder decoder;
  tokenizer::Tokenizer tokenizer;
  std::mutex mutex;  // guards told and order
  std::condition_variable changed;
  std::map<int, Ended> told;
  std::vector<int> order;  // in which they ended
  std::unique_ptr<Service> service;
};

}  // namespace

TEST_CASE("More jobs than may run at once are all answered, each as if it were alone") {
  Setting setting(3);
  for (int i = 0; i < 20; ++i)
    REQUIRE(setting.service->submit(setting.job({1, 3 + i, 5}, 10 + i, i)));
  setting.wait_for(20);
  for (int i = 0; i < 20; ++i) {
    INFO(i);
    CHECK(setting.told[i].tokens == Setting::expected({1, 3 + i, 5}, 10 + i));
    CHECK(setting.told[i].finish == engine::Finish::MaxTokens);
  }
  const double patience = seconds_now() + 10;
  while (!setting.service->idle() && seconds_now() < patience) {}
  const ServiceFigures figures = setting.service->figures();
  CHECK(figures.jobs == 20);
  CHECK(figures.running == 0);
  CHECK(figures.waiting == 0);
  CHECK(figures.prompt_tokens == 60);
}

TEST_CASE("A job that cannot be is refused at once, and one too many when the queue is full") {
  Setting setting(1, 2);
  const auto empty = setting.service->submit(setting.job({}, 5, 0));
  REQUIRE_FALSE(empty);
  CHECK(empty.error().why == WhyRefused::Invalid);
  const auto long_one =
      setting.service->submit(setting.job(std::vector<int32_t>(kContext, 3), 5, 0));
  REQUIRE_FALSE(long_one);
  CHECK(long_one.error().message.find("256") != std::string::npos);
  int accepted = 0;
  WhyRefused why = WhyRefused::Invalid;
  for (int i = 0; i < 8; ++i) {
    const auto id = setting.service->submit(setting.job({1, 4}, 200, i));
    id ? void(++accepted) : void(why = id.error().why);
  }
  CHECK(accepted >= 2);
  CHECK(accepted < 8);
  CHECK(why == WhyRefused::QueueFull);
  setting.wait_for(static_cast<size_t>(accepted));
  setting.service->refuse_more();
  const auto late = setting.service->submit(setting.job({1, 4}, 5, 99));
  REQUIRE_FALSE(late);
  CHECK(late.error().why == WhyRefused::Stopping);
}

TEST_CASE("Among those that wait the highest priority comes first") {
  Setting setting(1);
  REQUIRE(setting.service->submit(setting.job({1, 9}, 200, 0)));
  for (const int priority : {1, 3, 2}) {
    Job job = setting.job({1, 4}, 3, priority);
    job.priority = priority;
    REQUIRE(setting.service->submit(std::move(job)));
  }
  setting.wait_for(4);
  // Unless the first was through before the others had come.
  if (setting.order[0] == 0 && setting.order[1] != 1) {
    CHECK(setting.order == std::vector<int>{0, 3, 2, 1});
  }
}

TEST_CASE("Cancelled jobs are told so, waiting or running, and their pages serve others") {
  Setting setting(1);
  const auto running = setting.service->submit(setting.job({1, 9}, 250, 0));
  const auto waiting = setting.service->submit(setting.job({1, 8}, 5, 1));
  REQUIRE(running);
  REQUIRE(waiting);
  setting.service->cancel(*waiting);
  setting.service->cancel(*running);
  setting.service->cancel(12345);
  setting.wait_for(2);
  CHECK(setting.told[1].finish == engine::Finish::Cancelled);
  CHECK((setting.told[0].finish == engine::Finish::Cancelled ||
         setting.told[0].finish == engine::Finish::MaxTokens));
  REQUIRE(setting.service->submit(setting.job({1, 7}, 5, 2)));
  setting.wait_for(3);
  CHECK(setting.told[2].tokens == Setting::expected({1, 7}, 5));
}

TEST_CASE("A job whose deadline passed while it waited is given up with a reason") {
  Setting setting(1);
  REQUIRE(setting.service->submit(setting.job({1, 9}, 200, 0)));
  Job late = setting.job({1, 8}, 5, 1);
  late.deadline = 1e-9;
  REQUIRE(setting.service->submit(std::move(late)));
  setting.wait_for(2);
  CHECK(setting.told[1].error.find("deadline") != std::string::npos);
}

TEST_CASE("The end of the service ends all jobs, and tells them") {
  Setting setting(2);
  for (int i = 0; i < 6; ++i) REQUIRE(setting.service->submit(setting.job({1, 3 + i}, 250, i)));
  setting.service.reset();
  CHECK(setting.order.size() == 6);
}

TEST_CASE("Work between batches waits in a bounded line, as long as it is wanted") {
  Setting setting(1, 2);
  std::promise<void> go, running, last;
  std::atomic<int> done = 0;
  const auto gone = std::make_shared<std::atomic<bool>>(false);
  REQUIRE(setting.service->ask([&](engine::Engine&) {
    running.set_value();
    go.get_future().wait();
  }));
  running.get_future().wait();
  CHECK(setting.service->ask([&](engine::Engine&) { done += 100; }, gone));
  CHECK(setting.service->ask([&](engine::Engine&) {
    ++done;
    last.set_value();
  }));
  const auto full = setting.service->ask([](engine::Engine&) {});
  REQUIRE_FALSE(full);
  CHECK(full.error().why == WhyRefused::QueueFull);
  *gone = true;
  go.set_value();
  last.get_future().wait();
  CHECK(done == 1);
  setting.service->refuse_more();
  const auto late = setting.service->ask([](engine::Engine&) {});
  REQUIRE_FALSE(late);
  CHECK(late.error().why == WhyRefused::Stopping);
}

TEST_CASE("Between two pieces of work those who wait for tokens get some") {
  Setting setting(1, 8);
  std::promise<void> go;
  std::atomic<int> left = 4;
  std::vector<int64_t> rows;  // computed before each
  REQUIRE(setting.service->ask([&](engine::Engine&) { go.get_future().wait(); }));
  for (int i = 0; i < 4; ++i) {
    REQUIRE(setting.service->ask([&](engine::Engine&) {
      rows.push_back(setting.service->figures().steps);
      --left;
    }));
  }
  REQUIRE(setting.service->submit(setting.job({1, 9}, 200, 0)));
  go.set_value();
  const double patience = seconds_now() + 10;
  while (left > 0 && seconds_now() < patience) {}
  REQUIRE(left == 0);
  for (size_t i = 1; i < rows.size(); ++i) CHECK(rows[i] == rows[i - 1] + 1);
  setting.wait_for(1);
}

TEST_CASE("Jobs with other scales of adapters wait for each other, and each gets its own answer") {
  Setting setting;
  constexpr int kJobs = 24;
  const std::vector<int32_t> prompt = {4, 9, 12, 3, 5, 6, 7, 8};
  for (int i = 0; i < kJobs; ++i) {
    Job job = setting.job(prompt, 6, i);
    job.request.adapter_scales = {static_cast<float>(1 + i % 3)};
    REQUIRE(setting.service->submit(std::move(job)).has_value());
  }
  setting.wait_for(kJobs);
  const std::lock_guard lock(setting.mutex);
  for (int i = 0; i < kJobs; ++i)
    CHECK(setting.told[i].tokens == Setting::expected(prompt, 6, i % 3));
}
