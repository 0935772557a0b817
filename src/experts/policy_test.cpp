#include "experts/policy.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <list>
#include <map>
#include <random>
#include <string>

using namespace issun::experts;

namespace {

constexpr PolicyKind kKinds[] = {PolicyKind::Lru, PolicyKind::Lfu, PolicyKind::Lfru,
                                 PolicyKind::S3Fifo};

// A layer that keeps to the interface: who is in memory after each batch.
class Layer {
 public:
  Layer(PolicyKind kind, int units, int slots)
      : policy_(Policy::create(kind, units)),
        resident_(static_cast<size_t>(units)),
        slots_(slots) {}

  void batch(const std::vector<int>& used, int tokens = 1) {
    for (const int unit : used) policy_->use(unit, tokens);
    for (const int unit : used) {
      if (has(unit)) continue;
      policy_->admit(unit);
      resident_[static_cast<size_t>(unit)] = 1;
    }
    while (count() > slots_) {
      const int unit = policy_->victim(resident_);
      REQUIRE(unit >= 0);
      REQUIRE(has(unit));
      policy_->drop(unit);
      resident_[static_cast<size_t>(unit)] = 0;
    }
  }
  bool has(int unit) const { return resident_[static_cast<size_t>(unit)] != 0; }
  int count() const { return static_cast<int>(std::count(resident_.begin(), resident_.end(), 1)); }
  std::vector<int> all() const {
    std::vector<int> units;
    for (size_t i = 0; i < resident_.size(); ++i) {
      if (resident_[i] != 0) units.push_back(static_cast<int>(i));
    }
    return units;
  }

 private:
  std::unique_ptr<Policy> policy_;
  std::vector<uint8_t> resident_;
  int slots_;
};

// Batches of a few units, low ones likelier.
std::vector<std::vector<int>> random_batches(unsigned seed, int units, int batches) {
  std::mt19937 random(seed);
  std::vector<std::vector<int>> out;
  for (int b = 0; b < batches; ++b) {
    std::vector<int> used;
    for (int unit = 0; unit < units; ++unit) {
      if (random() % static_cast<unsigned>(unit + 2) == 0) used.push_back(unit);
    }
    out.push_back(used);
  }
  return out;
}

}  // namespace

TEST_CASE("every policy has a name and is found by it") {
  for (const PolicyKind kind : kKinds) CHECK(policy_from_name(name(kind)) == kind);
  CHECK(policy_from_name("lfru") == PolicyKind::Lfru);
  CHECK_FALSE(policy_from_name("fifo").has_value());
}

TEST_CASE("LRU agrees with a list that moves what is used to its end") {
  for (unsigned seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    constexpr int kUnits = 12, kSlots = 5;
    Layer layer(PolicyKind::Lru, kUnits, kSlots);
    std::list<int> order;
    for (const auto& batch : random_batches(seed, kUnits, 200)) {
      layer.batch(batch);
      for (const int unit : batch) {
        order.remove(unit);
        order.push_back(unit);
      }
      while (order.size() > kSlots) order.pop_front();
      std::vector<int> expected(order.begin(), order.end());
      std::sort(expected.begin(), expected.end());
      REQUIRE(layer.all() == expected);
    }
  }
}

TEST_CASE("LFU agrees with sums over all past batches, each use worth half after its half-life") {
  constexpr int kUnits = 10, kSlots = 4;
  for (unsigned seed = 0; seed < 10; ++seed) {
    CAPTURE(seed);
    Layer layer(PolicyKind::Lfu, kUnits, kSlots);
    const auto batches = random_batches(seed, kUnits, 120);
    std::vector<std::map<int, int>> past;  // tokens of each unit
    std::vector<int> resident;
    for (size_t b = 0; b < batches.size(); ++b) {
      // A batch ends where a unit comes again, or where one has to go; here each makes one go.
      std::vector<int> used = batches[b];
      for (int unit = 0; static_cast<int>(used.size()) <= kSlots; ++unit) {
        if (std::find(used.begin(), used.end(), unit) == used.end()) used.push_back(unit);
      }
      const int tokens = 1 + static_cast<int>(b % 3);
      layer.batch(used, tokens);
      past.emplace_back();
      for (const int unit : used) past.back()[unit] = tokens;
      std::vector<double> value(kUnits);
      double later = 0;  // uses after a batch and in it
      for (size_t i = past.size(); i-- > 0;) {
        for (const auto& [unit, count] : past[i]) later += count;
        for (const auto& [unit, count] : past[i])
          value[static_cast<size_t>(unit)] += count * std::exp2(-later / kUnits / 32);
      }
      // Whatever is held is worth no less than what was used now and is not held.
      for (const int held : layer.all()) {
        for (const int unit : used) {
          if (!layer.has(unit))
            CHECK(value[static_cast<size_t>(held)] >=
                  value[static_cast<size_t>(unit)] * (1 - 1e-9));
        }
      }
    }
  }
}

TEST_CASE("LFU and LFRU refuse a newcomer that is rarer than all that is held") {
  for (const PolicyKind kind : {PolicyKind::Lfu, PolicyKind::Lfru}) {
    CAPTURE(name(kind));
    Layer layer(kind, 8, 2);
    for (int i = 0; i < 50; ++i) layer.batch({0, 1});
    layer.batch({5});
    CHECK(layer.all() == std::vector<int>{0, 1});
  }
}

TEST_CASE("LFRU goes with a new topic sooner than LFU, and is not led astray by single visits") {
  const auto batches_until_new = [](PolicyKind kind) {
    Layer layer(kind, 16, 4);
    for (int i = 0; i < 400; ++i) layer.batch({i % 4, (i + 1) % 4});
    int batches = 0;
    while (layer.all() != std::vector<int>{8, 9, 10, 11}) {
      layer.batch({8 + batches % 4, 8 + (batches + 1) % 4});
      REQUIRE(++batches < 5000);
    }
    return batches;
  };
  const int lfu = batches_until_new(PolicyKind::Lfu), lfru = batches_until_new(PolicyKind::Lfru);
  CHECK(lfru < lfu / 2);
  Layer layer(PolicyKind::Lfru, 64, 4);
  for (int i = 0; i < 400; ++i) layer.batch({i % 4, (i + 1) % 4, 4 + i % 60});
  CHECK(layer.all() == std::vector<int>{0, 1, 2, 3});
}

TEST_CASE("prompts count by their tokens") {
  for (const PolicyKind kind : {PolicyKind::Lfu, PolicyKind::Lfru}) {
    CAPTURE(name(kind));
    const auto policy = Policy::create(kind, 4);
    for (int unit = 0; unit < 4; ++unit) {
      policy->use(unit, unit == 2 ? 3 : 20 + unit);
      policy->admit(unit);
    }
    CHECK(policy->victim(std::vector<uint8_t>{1, 1, 1, 1}) == 2);
    CHECK(policy->victim(std::vector<uint8_t>{1, 1, 0, 1}) == 0);
  }
}

namespace {

// The paper's algorithm over queues, for batches after which one slot's worth has to go at a time.
class NaiveS3Fifo {
 public:
  explicit NaiveS3Fifo(size_t slots) : slots_(slots) {}
  void batch(const std::vector<int>& used) {
    for (const int unit : used) {
      if (has(small_, unit) || has(main_, unit)) rounds_[unit] = std::min(rounds_[unit] + 1, 3);
    }
    for (const int unit : used) {
      if (has(small_, unit) || has(main_, unit)) continue;
      const auto ghost = std::find(ghosts_.begin(), ghosts_.end(), unit);
      rounds_[unit] = 0;
      if (ghost != ghosts_.end()) {
        ghosts_.erase(ghost);
        main_.push_back(unit);
      } else {
        small_.push_back(unit);
      }
    }
    while (small_.size() + main_.size() > slots_) evict();
  }
  std::vector<int> all() const {
    std::vector<int> units(small_.begin(), small_.end());
    units.insert(units.end(), main_.begin(), main_.end());
    std::sort(units.begin(), units.end());
    return units;
  }

 private:
  static bool has(const std::deque<int>& queue, int unit) {
    return std::find(queue.begin(), queue.end(), unit) != queue.end();
  }
  void evict() {
    while (true) {
      const size_t room = std::max<size_t>(1, (small_.size() + main_.size()) / 10);
      const bool from_small = main_.empty() || small_.size() > room;
      std::deque<int>& queue = from_small ? small_ : main_;
      const int unit = queue.front();
      queue.pop_front();
      if (rounds_[unit] > 0) {
        rounds_[unit] = from_small ? 0 : rounds_[unit] - 1;
        main_.push_back(unit);
        continue;
      }
      if (from_small) ghosts_.push_back(unit);
      while (ghosts_.size() > std::max<size_t>(1, main_.size())) ghosts_.pop_front();
      return;
    }
  }
  size_t slots_;
  std::deque<int> small_, main_, ghosts_;
  std::map<int, int> rounds_;
};

}  // namespace

TEST_CASE("S3-FIFO agrees with queues") {
  for (unsigned seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    Layer layer(PolicyKind::S3Fifo, 40, 11);
    NaiveS3Fifo naive(11);
    for (const auto& batch : random_batches(seed, 40, 300)) {
      layer.batch(batch);
      naive.batch(batch);
      REQUIRE(layer.all() == naive.all());
    }
  }
}

TEST_CASE("any policy gives up what may go and nothing else, whatever it is told") {
  std::mt19937 random(3);
  for (const PolicyKind kind : kKinds) {
    CAPTURE(name(kind));
    const auto policy = Policy::create(kind, 9);
    std::vector<uint8_t> resident(9), droppable(9);
    for (int i = 0; i < 3000; ++i) {
      const int unit = static_cast<int>(random() % 9);
      policy->use(unit, 1 + static_cast<int>(random() % 300));
      if (resident[static_cast<size_t>(unit)] == 0) policy->admit(unit);
      resident[static_cast<size_t>(unit)] = 1;
      bool any = false;
      for (size_t u = 0; u < 9; ++u) {
        droppable[u] = resident[u] != 0 && random() % 2 == 0;
        any = any || droppable[u] != 0;
      }
      if (!any) continue;
      const int gone = policy->victim(droppable);
      REQUIRE(gone >= 0);
      REQUIRE(droppable[static_cast<size_t>(gone)] != 0);
      policy->drop(gone);
      resident[static_cast<size_t>(gone)] = 0;
    }
  }
}
