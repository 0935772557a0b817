#include "train/batches.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <random>
#include <set>

#include "train/made_up_tokens.h"
#include "train/packing.h"
#include "train/random.h"

using namespace issun;
using namespace issun::train;

namespace {

Batches batches_of(const TokenStore& store, const BatchOptions& options) {
  auto batches = Batches::create(store, ranges_of(store), options);
  REQUIRE_MESSAGE(batches, batches.error().message);
  return std::move(*batches);
}

std::vector<int> random_lengths(uint32_t seed, int count, int longest) {
  std::mt19937 random(seed);
  std::vector<int> lengths(static_cast<size_t>(count));
  for (int& length : lengths)
    length = 1 + static_cast<int>(random() % static_cast<uint32_t>(longest));
  return lengths;
}

// The batch of a counted_store: its tokens are 1, 2, 3, ..., so that each row can be held to the
// store, and 0 is padding.
void check_rows(const TokenStore& store, const Batch& batch, std::map<int32_t, int>* seen) {
  std::set<int64_t> firsts;
  for (int64_t d = 0; d < store.documents(); ++d) firsts.insert(store.document(d).begin + 1);
  int64_t learnt = 0, used = 0;
  for (size_t slot = 0; slot < batch.tokens.size(); ++slot) {
    const int i = static_cast<int>(slot) % batch.length, begin = batch.visible_begin[slot];
    const int32_t token = batch.tokens[slot], target = batch.targets[slot];
    REQUIRE(begin >= 0);
    REQUIRE(begin <= i);
    CHECK(batch.positions[slot] == i - begin);
    learnt += target >= 0;
    if (token == 0) {
      CHECK(target == -1);
      CHECK(begin == i);
      continue;
    }
    ++used;
    ++(*seen)[token];
    const bool last = token == store.tokens() || firsts.count(token + 1) != 0;
    CHECK(target == (last ? -1 : token + 1));
    if (begin == i) continue;
    CHECK(batch.tokens[slot - 1] == token - 1);
    CHECK(firsts.count(token) == 0);
    CHECK(batch.visible_begin[slot - 1] == begin);
  }
  CHECK(batch.learnt == learnt);
  CHECK(batch.used == used);
}

}  // namespace

TEST_CASE("A permutation has every number once, another order for each key") {
  for (const int64_t count : {1, 2, 3, 4, 5, 16, 17, 1000, 4097}) {
    std::vector<int64_t> order(static_cast<size_t>(count));
    const Permutation permutation(count, 99), other(count, 100);
    bool differs = false;
    for (int64_t i = 0; i < count; ++i) {
      order[static_cast<size_t>(i)] = permutation.at(i);
      differs = differs || permutation.at(i) != other.at(i);
    }
    if (count > 4) CHECK(differs);
    std::sort(order.begin(), order.end());
    for (int64_t i = 0; i < count; ++i) REQUIRE(order[static_cast<size_t>(i)] == i);
  }
}

TEST_CASE("Every token stands exactly once in an epoch, and sees its own document only") {
  const uint32_t seed = 20240611;
  MESSAGE("seed ", seed);
  for (const bool whole : {false, true}) {
    for (const int length : {2, 7, 32}) {
      const ScratchFolder scratch;
      const TokenStore store =
          counted_store(scratch, random_lengths(seed, 60, whole ? length : 50), whole);
      const Batches batches = batches_of(store, {.length = length, .seed = seed});
      CHECK(batches.tokens() == store.tokens());
      std::map<int32_t, int> seen;
      DataState state;
      Batch batch;
      int64_t used = 0;
      while (state.epoch == 0) {
        batches.next(1, &state, &batch);
        used += batch.used;
        check_rows(store, batch, &seen);
      }
      CHECK(used == store.tokens());
      for (int32_t t = 1; t <= store.tokens(); ++t) REQUIRE(seen[t] == 1);
      CHECK(batches.report().padding == batches.items() * length - store.tokens());
    }
  }
}

TEST_CASE("Two epochs have other orders, and a batch may hold the end of one and the next") {
  const ScratchFolder scratch;
  const TokenStore store = counted_store(scratch, {1000});
  const Batches batches = batches_of(store, {.length = 10, .seed = 3});
  REQUIRE(batches.items() == 100);
  DataState state;
  Batch batch;
  std::vector<int32_t> firsts[2];
  batches.next(200, &state, &batch);
  CHECK(state == DataState{2, 0});
  for (size_t i = 0; i < 200; ++i) firsts[i / 100].push_back(batch.tokens[i * 10]);
  CHECK(firsts[0] != firsts[1]);
  CHECK_FALSE(std::is_sorted(firsts[0].begin(), firsts[0].end()));
  for (auto& epoch : firsts) std::sort(epoch.begin(), epoch.end());
  CHECK(firsts[0] == firsts[1]);
}

TEST_CASE("Training that goes on from a state sees what it would have seen") {
  const ScratchFolder scratch;
  const TokenStore store = counted_store(scratch, random_lengths(5, 40, 30));
  const Batches batches = batches_of(store, {.length = 16, .seed = 1});
  DataState state;
  Batch batch, again;
  for (int i = 0; i < 30; ++i) {
    const DataState kept = state;
    batches.next(3, &state, &batch);
    DataState resumed = kept;
    REQUIRE(batches.fits(resumed));
    batches_of(store, {.length = 16, .seed = 1}).next(3, &resumed, &again);
    CHECK(resumed == state);
    CHECK(again.tokens == batch.tokens);
    CHECK(again.targets == batch.targets);
  }
  CHECK(state.epoch >= 1);
  CHECK_FALSE(batches.fits({0, batches.items()}));
  CHECK_FALSE(batches.fits({-1, 0}));
}

TEST_CASE("Talks are put together where they fit, and never cut") {
  const ScratchFolder scratch;
  const TokenStore store = counted_store(scratch, {6, 5, 4, 3, 2}, true);
  const Batches batches = batches_of(store, {.length = 10, .shuffle = false});
  REQUIRE(batches.items() == 2);
  Batch batch;
  batches.read(0, 5, &batch);
  REQUIRE(batch.sequences == 2);
  using Ids = std::vector<int32_t>;
  CHECK(batch.tokens == Ids{1, 2, 3, 4, 5, 6, 12, 13, 14, 15, 7, 8, 9, 10, 11, 16, 17, 18, 19, 20});
  CHECK(batch.targets ==
        Ids{2, 3, 4, 5, 6, -1, 13, 14, 15, -1, 8, 9, 10, 11, -1, 17, 18, -1, 20, -1});
  CHECK(batch.visible_begin == Ids{0, 0, 0, 0, 0, 0, 6, 6, 6, 6, 0, 0, 0, 0, 0, 5, 5, 5, 8, 8});
  batches.read(1, 5, &batch);
  CHECK(batch.sequences == 1);
  batches.read(2, 5, &batch);
  CHECK(batch.sequences == 0);
}

TEST_CASE("A talk that is too long is refused, truncated or left out, and counted") {
  const ScratchFolder scratch;
  const TokenStore store = counted_store(scratch, {4, 9}, true);
  BatchOptions options{.length = 5, .shuffle = false};
  CHECK(Batches::create(store, ranges_of(store), options).error().message ==
        "a talk of 9 tokens: expected at most 5, the length of a sequence");
  options.long_talk = LongTalk::Truncate;
  const Batches truncated = batches_of(store, options);
  CHECK(truncated.report().truncated == 1);
  CHECK(truncated.report().lost_tokens == 4);
  Batch batch;
  truncated.read(0, 2, &batch);
  using Ids = std::vector<int32_t>;
  CHECK(batch.tokens == Ids{1, 2, 3, 4, 0, 5, 6, 7, 8, 9});
  CHECK(batch.targets == Ids{2, 3, 4, -1, -1, 6, 7, 8, 9, -1});
  CHECK(batch.visible_begin == Ids{0, 0, 0, 0, 4, 0, 0, 0, 0, 0});
  CHECK(batch.used == 9);
  options.long_talk = LongTalk::Skip;
  CHECK(batches_of(store, options).report().lost_tokens == 9);
  options.length = 3;
  CHECK_FALSE(Batches::create(store, ranges_of(store), options));
  CHECK_FALSE(long_talk_from_name("cut"));
}

TEST_CASE("What is not learnt is no target, whatever stands before it") {
  const ScratchFolder scratch;
  auto writer = TokenFileWriter::create(scratch.path("masked"), 100);
  REQUIRE(writer);
  REQUIRE(writer->add({.tokens = {1, 2, 3, 4, 5}, .learnt = {1, 0, 1, 0, 1}, .whole = false}, 0));
  REQUIRE(writer->finish(0, 0));
  const auto store = TokenStore::open(scratch.path("masked"), 100);
  REQUIRE(store);
  CHECK(store->learnt_tokens() == 3);
  Batch batch;
  batches_of(*store, {.length = 4, .shuffle = false}).read(0, 2, &batch);
  using Ids = std::vector<int32_t>;
  CHECK(batch.targets == Ids{-1, 3, -1, 5, -1, -1, -1, -1});
  CHECK(batch.tokens == Ids{1, 2, 3, 4, 5, 0, 0, 0});
  CHECK(batch.learnt == 2);
}

TEST_CASE("First fit puts every item into one bin, none beyond its size, few half empty") {
  const uint32_t seed = 77;
  MESSAGE("seed ", seed);
  std::vector<int32_t> lengths;
  for (const int length : random_lengths(seed, 2000, 100)) lengths.push_back(length);
  const Bins bins = pack_first_fit(lengths, 100);
  std::vector<int32_t> items = bins.items;
  std::sort(items.begin(), items.end());
  for (size_t i = 0; i < items.size(); ++i) REQUIRE(items[i] == static_cast<int32_t>(i));
  REQUIRE(items.size() == lengths.size());
  int64_t half_empty = 0;
  for (size_t b = 0; b + 1 < bins.begin.size(); ++b) {
    int used = 0;
    for (int64_t i = bins.begin[b]; i < bins.begin[b + 1]; ++i) {
      used += lengths[static_cast<size_t>(bins.items[static_cast<size_t>(i)])];
    }
    REQUIRE(used > 0);
    REQUIRE(used <= 100);
    half_empty += used <= 50;
  }
  CHECK(half_empty <= 1);  // two of them would have been one
  CHECK(pack_first_fit({}, 10).begin == std::vector<int64_t>{0});
}
