#include "experts/store.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <future>
#include <set>

#include "experts/made_up_source.h"

using namespace issun;
using namespace issun::experts;

namespace {

constexpr int64_t kBlock = Source::kBlock;

// Three matrices an expert, far from each other and at odd places, as in a plain file.
std::vector<Group> made_up_groups(int groups, int units, bool even) {
  std::vector<Group> made;
  for (int g = 0; g < groups; ++g) {
    Group group;
    for (int u = 0; u < units; ++u) {
      std::vector<Piece> pieces;
      const int64_t bytes = even ? 9000 : 5000 + 3000 * ((g + u) % 3);
      for (int m = 0; m < 3; ++m)
        pieces.push_back({m % 2, (int64_t{g} * 3 + m) * 1'000'000 + u * bytes + 37, bytes});
      group.units.push_back(place(pieces));
    }
    made.push_back(std::move(group));
  }
  return made;
}

bool holds_its_bytes(const Placement& unit, const std::byte* memory) {
  for (const Extent& extent : unit.extents) {
    for (int64_t i = 0; i < extent.bytes; i += 101) {
      if (memory[extent.at + i] != MadeUpSource::byte_at(extent.file, extent.offset + i))
        return false;
    }
  }
  return true;
}

int64_t bytes_of(const std::vector<Group>& groups) {
  int64_t sum = 0;
  for (const Group& group : groups) {
    for (const Placement& unit : group.units) sum += unit.bytes;
  }
  return sum;
}

}  // namespace

TEST_CASE("Pieces are placed in whole blocks, and those that touch are one read") {
  const std::vector<Piece> apart = {{0, 100, 50}, {0, 3 * kBlock + 8, kBlock}, {1, 0, kBlock}};
  const Placement placement = place(apart);
  REQUIRE(placement.extents.size() == 3);
  CHECK(placement.extents[1].offset == 3 * kBlock);
  CHECK(placement.extents[1].bytes == 2 * kBlock);
  CHECK(placement.offsets == std::vector<int64_t>{100, kBlock + 8, 3 * kBlock});
  CHECK(placement.bytes == 4 * kBlock);
  const std::vector<Piece> together = {
      {0, kBlock, 5000}, {0, 3 * kBlock, 100}, {0, 3 * kBlock + 200, 8}};
  const Placement one = place(together);
  REQUIRE(one.extents.size() == 1);
  CHECK(one.extents[0].bytes == 3 * kBlock);
  CHECK(one.offsets == std::vector<int64_t>{0, 2 * kBlock, 2 * kBlock + 200});
}

TEST_CASE("Slots never hold more than their budget, whatever comes and goes") {
  std::mt19937 random(7);
  const int64_t budget = 100 * kBlock;
  Slots slots = *Slots::create(budget, 2 * kBlock, 11 * kBlock);
  std::vector<std::pair<int, int64_t>> taken;
  for (int step = 0; step < 20000; ++step) {
    const int64_t bytes = kBlock * (2 + static_cast<int64_t>(random() % 10));
    const int slot = slots.take(bytes);
    CHECK(slots.held_bytes() <= budget);
    if (slot >= 0) {
      for (const auto& [other, size] : taken) CHECK(other != slot);
      slots.memory(slot)[bytes - 1] = std::byte{1};
      taken.emplace_back(slot, bytes);
    } else {
      int64_t in_use = 0;
      for (const auto& [other, size] : taken) in_use += size;
      // Others hold at most twice what they were last taken for.
      CHECK(2 * in_use + bytes > budget / 2);
      REQUIRE(!taken.empty());
    }
    if (slot < 0 || random() % 2 == 0) {
      const size_t which = random() % taken.size();
      slots.give_back(taken[which].first);
      taken.erase(taken.begin() + static_cast<std::ptrdiff_t>(which));
    }
  }
}

TEST_CASE("A store gives every unit with its own bytes, under every policy, budget and fault") {
  int failures = 0, found = 0, expected = 0;
  for (int trial = 0; trial < 60; ++trial) {
    CAPTURE(trial);
    std::mt19937 random(static_cast<unsigned>(trial));
    const int layers = 1 + trial % 4, units = 3 + trial % 9;
    MadeUpSource source;
    source.slow = trial % 3 == 0;
    source.fail_every = trial % 2 == 0 ? 0 : 7 + trial % 30;
    std::vector<Group> groups = made_up_groups(layers, units, trial % 5 == 0);
    const std::vector<Group> facts = groups;
    StoreOptions options;
    const int64_t least = Store::least_bytes(groups);
    options.budget_bytes =
        least + static_cast<int64_t>(random() % static_cast<unsigned>(bytes_of(groups)));
    options.passing_bytes = std::min<int64_t>(options.budget_bytes, 2 * least);
    options.keep = trial % 7 != 0;
    options.policy = static_cast<PolicyKind>(trial % 4);
    options.reader.threads = 1 + trial % 3;
    options.reader.read_bytes = kBlock << (trial % 3);
    auto store = Store::create(source, std::move(groups), options);
    REQUIRE(store);
    for (int step = 0; step < 120; ++step) {
      const int g = step % layers;
      std::vector<Use> uses;
      for (int u = 0; u < units; ++u) {
        if (random() % 3 == 0) uses.push_back({u, 1 + static_cast<int>(random() % 4)});
      }
      (*store)->need(g, uses);
      if (random() % 2 == 0) {
        std::vector<UnitName> guesses;
        for (int i = 0; i < 3; ++i)
          guesses.push_back({(g + 1 + i / 2) % layers, static_cast<int>(random()) % units});
        for (UnitName& guess : guesses) guess.unit = std::abs(guess.unit) % units;
        (*store)->expect(guesses);
      }
      std::multiset<int> given, wanted;
      for (const Use& use : uses) wanted.insert(use.unit);
      for (;;) {
        const auto some = (*store)->next();
        if (!some) {
          ++failures;
          CHECK(some.error().message.find("disk: cannot read") == 0);
          given = wanted;
          break;
        }
        if (some->empty()) break;
        for (const int u : *some) {
          given.insert(u);
          REQUIRE(holds_its_bytes(facts[static_cast<size_t>(g)].units[static_cast<size_t>(u)],
                                  (*store)->memory(g, u)));
        }
      }
      CHECK(given == wanted);
      if (step == 60) {
        for (int l = 0; l < layers; ++l)
          (*store)->set_share(l, options.budget_bytes / (1 + (l + trial) % 5) / layers);
      }
    }
    const GroupStatistics all = (*store)->statistics().all();
    CHECK(all.found + all.expected + all.missed() == all.uses);
    found += static_cast<int>(all.found);
    expected += static_cast<int>(all.expected);
  }
  CHECK(failures > 50);
  CHECK(found > 500);
  CHECK(expected > 100);
}

TEST_CASE("What is used again and again is read once, and nothing is read twice when all fits") {
  MadeUpSource source;
  std::vector<Group> groups = made_up_groups(3, 8, false);
  const int64_t all = bytes_of(groups);
  int extents = 0;
  for (const Group& group : groups) {
    for (const Placement& unit : group.units) extents += static_cast<int>(unit.extents.size());
  }
  StoreOptions options;
  options.budget_bytes = 2 * all;
  auto store = Store::create(source, std::move(groups), options);
  REQUIRE(store);
  for (int step = 0; step < 30; ++step) {
    std::vector<Use> uses;
    for (int u = 0; u < 8; ++u) uses.push_back({u, 1});
    (*store)->need(step % 3, uses);
    for (auto some = (*store)->next(); !some->empty(); some = (*store)->next()) {}
  }
  CHECK(source.reads == extents);
  CHECK((*store)->statistics().all().missed() == 24);
}

TEST_CASE("What was expected and fails while a unit waits for its memory makes way for that unit") {
  // The first read waits at a gate, then fails.
  class GatedSource final : public Source {
   public:
    Result<void> read(int file, int64_t offset, std::span<std::byte> out) override {
      if (reads++ > 0) return whole.read(file, offset, out);
      gate.get_future().wait();
      return fail("disk: cannot read at {}", offset);
    }
    MadeUpSource whole;
    std::promise<void> gate;
    std::atomic<int> reads{0};
  };
  GatedSource source;
  std::vector<Group> groups = made_up_groups(1, 2, true);
  const Placement needed = groups[0].units[0];
  StoreOptions options;
  options.budget_bytes = Store::least_bytes(groups);  // one unit at a time
  options.reader.threads = 1;
  auto store = Store::create(source, std::move(groups), options);
  REQUIRE(store);
  const UnitName guess{0, 1};
  (*store)->expect({&guess, 1});
  const Use use{0, 1};
  (*store)->need(0, {&use, 1});
  source.gate.set_value();
  // Long enough for the read to fail; if it were not, the case would be an easier one.
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const auto given = (*store)->next();
  REQUIRE(given);
  REQUIRE(given->size() == 1);
  CHECK(holds_its_bytes(needed, (*store)->memory(0, 0)));
  CHECK((*store)->next()->empty());
}

TEST_CASE("A store that has too little memory for one unit says so") {
  MadeUpSource source;
  std::vector<Group> groups = made_up_groups(1, 4, true);
  StoreOptions options;
  options.budget_bytes = Store::least_bytes(groups) - 1;
  const auto store = Store::create(source, std::move(groups), options);
  REQUIRE(!store);
  CHECK(store.error().message.find("at least") != std::string::npos);
}
