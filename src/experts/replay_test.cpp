#include "experts/replay.h"

#include <doctest/doctest.h>

#include <bit>
#include <map>

#include "experts/testing.h"

using namespace issun::experts;

namespace {

constexpr Contender kOnline[] = {Contender::Lru, Contender::Lfu, Contender::Lfru, Contender::S3Fifo,
                                 Contender::Static};

// The most counted hits of one layer by trying everything: of each set that may be in memory, the
// most hits so far.
int64_t brute_force(const LayerVisits& layer, const std::vector<uint8_t>& counted, int slots) {
  std::map<unsigned, int64_t> best = {{0u, 0}};
  for (size_t b = 0; b < counted.size(); ++b) {
    unsigned visited = 0;
    for (auto i = static_cast<size_t>(layer.begin[b]); i < static_cast<size_t>(layer.begin[b + 1]);
         ++i)
      visited |= 1u << layer.unit[i];
    std::map<unsigned, int64_t> next;
    for (const auto& [held, hits] : best) {
      const int64_t now = hits + (counted[b] != 0 ? std::popcount(held & visited) : 0);
      const unsigned all = held | visited;
      for (unsigned keep = all;; keep = (keep - 1) & all) {
        if (std::popcount(keep) <= slots) next[keep] = std::max(next[keep], now);
        if (keep == 0) break;
      }
    }
    best = std::move(next);
  }
  int64_t most = 0;
  for (const auto& [held, hits] : best) most = std::max(most, hits);
  return most;
}

}  // namespace

TEST_CASE("Belady's choice is the best of all, by trying all on small traces") {
  for (unsigned seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    const int experts = 4 + static_cast<int>(seed % 3);
    const Trace trace = made_up_trace({.layers = 2,
                                       .experts = experts,
                                       .used = 1 + static_cast<int>(seed % 2),
                                       .batches = 24,
                                       .topic_batches = 9,
                                       .prompt_every = seed % 4 == 0 ? 0 : 5,
                                       .prompt_rows = 3,
                                       .seed = seed});
    const Visits visits = Visits::of(trace);
    for (const auto& counted : {count_all(trace), count_generated(trace)}) {
      for (int slots = 0; slots <= experts; ++slots) {
        CAPTURE(slots);
        const std::vector<int> all = {slots, slots};
        const ReplayOutcome outcome = replay(visits, Contender::Belady, {all, counted});
        for (size_t l = 0; l < 2; ++l)
          REQUIRE(outcome.layers[l].hits == brute_force(visits.layers[l], counted, slots));
      }
    }
  }
}

TEST_CASE("no policy is better than Belady's choice, and all hit everything once all fit") {
  for (unsigned seed = 0; seed < 12; ++seed) {
    CAPTURE(seed);
    const Trace trace = made_up_trace({.experts = 24,
                                       .used = 4,
                                       .batches = 400,
                                       .topic_batches = 100,
                                       .prompt_every = seed % 2 == 0 ? 60 : 0,
                                       .seed = seed});
    const Visits visits = Visits::of(trace);
    for (const auto& counted : {count_all(trace), count_generated(trace)}) {
      for (const int slots : {0, 1, 3, 6, 12, 18, 24}) {
        CAPTURE(slots);
        const std::vector<int> all(2, slots);
        const ReplayOutcome best = replay(visits, Contender::Belady, {all, counted});
        const ReplayOutcome best_half =
            replay(visits, Contender::Belady, {all, second_half(counted)});
        for (const Contender contender : kOnline) {
          CAPTURE(name(contender));
          const bool half = contender == Contender::Static;
          const ReplayOutcome outcome = replay(visits, contender, {all, counted});
          for (size_t l = 0; l < 2; ++l)
            CHECK(outcome.layers[l].hits <= (half ? best_half : best).layers[l].hits);
          if (slots == 0) CHECK(outcome.hits() == 0);
          if (slots == 24) CHECK(outcome.misses() <= 2 * 24);
        }
      }
    }
  }
}

TEST_CASE("hits, bytes and tokens are those of the counted batches") {
  const auto trace = Trace::parse(
      "{\"issun\":\"routing trace\",\"version\":1,\"model\":\"m\",\"layers\":[0,1],\"experts\":4,"
      "\"used\":1,\"expert_bytes\":[10,1000]}\n"
      "{\"phase\":\"prompt\",\"rows\":3,\"experts\":[[[0],[1],[0]],[[2],[2],[2]]]}\n"
      "{\"phase\":\"generate\",\"rows\":1,\"experts\":[[[1]],[[3]]]}\n"
      "{\"phase\":\"generate\",\"rows\":1,\"experts\":[[[0]],[[2]]]}\n",
      "t");
  REQUIRE(trace.has_value());
  const Visits visits = Visits::of(*trace);
  CHECK(visits.layers[0].unit == std::vector<int32_t>{0, 1, 1, 0});
  CHECK(visits.layers[0].tokens == std::vector<int32_t>{2, 1, 1, 1});
  const std::vector<int> slots = {2, 1};
  std::vector<std::string> seen;
  const auto note = [&](const ReplayVisit& visit) {
    seen.push_back(
        fmt::format("{}.{}.{}{}", visit.layer, visit.batch, visit.unit, visit.hit ? "+" : "-"));
  };
  const ReplayOutcome generated =
      replay(visits, Contender::Lru, {slots, count_generated(*trace), note});
  CHECK(seen == std::vector<std::string>{"0.0.0-", "0.0.1-", "0.1.1+", "0.2.0+", "1.0.2-", "1.1.3-",
                                         "1.2.2-"});
  CHECK(generated.layers[0].hits == 2);
  CHECK(generated.layers[0].misses == 0);
  CHECK(generated.layers[1].misses == 2);
  CHECK(generated.tokens == 2);
  CHECK(generated.bytes_per_token() == doctest::Approx(1000));
  CHECK(generated.hit_ratio() == doctest::Approx(0.5));
  const ReplayOutcome all = replay(visits, Contender::Lru, {slots, count_all(*trace)});
  CHECK(all.bytes == 2 * 10 + 3 * 1000);
  CHECK(all.tokens == 5);
  CHECK(replay(visits, Contender::Belady, {slots, count_all(*trace)}).layers[1].hits == 1);
  // The first half is the prompt: experts 0 and 1 of the first layer, 2 of the second.
  const ReplayOutcome fixed = replay(visits, Contender::Static, {slots, count_all(*trace)});
  CHECK(fixed.layers[0].hits == 2);
  CHECK(fixed.layers[1].hits == 1);
  CHECK(fixed.layers[1].misses == 1);
}

TEST_CASE("gain curves say what an LRU saves, to the byte") {
  const Trace trace = made_up_trace({.experts = 20, .used = 3, .batches = 300});
  const Visits visits = Visits::of(trace);
  const auto counted = count_generated(trace);
  const auto curves = gain_curves(visits, counted);
  for (const int slots : {1, 4, 8, 15, 20}) {
    CAPTURE(slots);
    const ReplayOutcome outcome =
        replay(visits, Contender::Lru, {std::vector<int>(2, slots), counted});
    for (size_t l = 0; l < 2; ++l) {
      const double saved = static_cast<double>(outcome.layers[l].hits) * 1000;
      CHECK(curves[l][static_cast<size_t>(slots)] * static_cast<double>(outcome.tokens) ==
            doctest::Approx(saved));
    }
  }
}

TEST_CASE("on changing topics LFRU is nearer to Belady than LRU and a choice that never changes") {
  const Trace trace =
      made_up_trace({.experts = 32, .used = 4, .batches = 1500, .topic_batches = 250});
  const Visits visits = Visits::of(trace);
  const auto counted = count_all(trace);
  for (const int slots : {4, 8, 16}) {
    const std::vector<int> all(2, slots);
    const double lfru = replay(visits, Contender::Lfru, {all, counted}).hit_ratio();
    CHECK(lfru > replay(visits, Contender::Lru, {all, counted}).hit_ratio());
    CHECK(lfru > replay(visits, Contender::Static, {all, counted}).hit_ratio());
  }
}

TEST_CASE("the recall of guesses is the share of chosen experts among the first ones") {
  Trace trace =
      made_up_trace({.layers = 2, .experts = 8, .used = 2, .batches = 2, .prompt_every = 0});
  trace.batches[0].experts = {0, 1, 2, 3};
  trace.batches[1].experts = {0, 1, 2, 3};
  trace.batches[0].guesses = {{}, {{2, 5, 3}}};
  trace.batches[1].guesses = {{}, {{3, 2}, {7}}};
  const auto recalls = recall_of_guesses(trace);
  REQUIRE(recalls.size() == 2);
  CHECK(recalls[0].distance == 1);
  CHECK(recalls[0].guesses == 2);
  CHECK(recalls[0].first == doctest::Approx(0.5));
  CHECK(recalls[0].first_two == doctest::Approx(0.75));
  CHECK(recalls[0].first_used == doctest::Approx(0.75));
  CHECK(recalls[1].distance == 2);
  CHECK(recalls[1].first == 0);
}

TEST_CASE("contenders are found by their names") {
  for (int i = 0; i < kContenders; ++i) {
    const auto contender = static_cast<Contender>(i);
    CHECK(contender_from_name(name(contender)) == contender);
  }
  CHECK_FALSE(contender_from_name("opt").has_value());
}
