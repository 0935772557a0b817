#include "serve/work_queue.h"

#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <memory>
#include <vector>

#include "base/clock.h"

using namespace issun;
using namespace issun::serve;

TEST_CASE("Work is done in order, and no more waits than may") {
  std::vector<int> done;
  std::promise<void> go, running, last;
  auto queue = *WorkQueue::start(2);
  REQUIRE(queue->add([&] {
    running.set_value();
    go.get_future().wait();
    done.push_back(0);
  }));
  running.get_future().wait();
  CHECK(queue->add([&] { done.push_back(1); }));
  CHECK(queue->add([&] {
    done.push_back(2);
    last.set_value();
  }));
  CHECK_FALSE(queue->add([&] { done.push_back(3); }));
  go.set_value();
  last.get_future().wait();
  queue.reset();
  CHECK(done == std::vector<int>{0, 1, 2});
}

TEST_CASE("Where none may wait, work is done all the same, one piece at a time") {
  std::promise<void> go, running;
  auto queue = *WorkQueue::start(0);
  REQUIRE(queue->add([&] {
    running.set_value();
    go.get_future().wait();
  }));
  running.get_future().wait();
  CHECK_FALSE(queue->add([] {}));
  go.set_value();
  const double patience = seconds_now() + 10;
  while (!queue->add([] {}) && seconds_now() < patience) {}
  CHECK(seconds_now() < patience);
}

TEST_CASE("What nobody wants any more holds no place") {
  std::promise<void> go, running;
  std::atomic<int> begun = 0;
  const auto gone = std::make_shared<std::atomic<bool>>(false);
  auto queue = *WorkQueue::start(1);
  REQUIRE(queue->add([&] {
    running.set_value();
    go.get_future().wait();
  }));
  running.get_future().wait();
  REQUIRE(queue->add([&] { ++begun; }, gone));
  CHECK_FALSE(queue->add([] {}));
  *gone = true;
  std::promise<void> last;
  CHECK(queue->add([&] { last.set_value(); }));
  go.set_value();
  last.get_future().wait();
  CHECK(begun == 0);
}

TEST_CASE("What runs is told of the end, and what waits is dropped") {
  std::atomic<int> begun = 0;
  std::promise<void> running;
  auto queue = *WorkQueue::start(2);
  WorkQueue* const raw = queue.get();
  REQUIRE(queue->add([&, raw] {
    ++begun;
    running.set_value();
    while (!raw->stopping()) {}
  }));
  REQUIRE(queue->add([&] { ++begun; }));
  running.get_future().wait();
  queue.reset();
  CHECK(begun == 1);
}
