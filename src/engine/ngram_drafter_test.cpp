#include "engine/ngram_drafter.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "engine/draft_length.h"

using namespace issun;
using namespace issun::engine;

namespace {

std::vector<int32_t> guessed(NgramDrafter& drafter, const std::vector<int32_t>& text, int most,
                             int64_t id = 1) {
  Guess guess;
  guess.text = id;
  guess.history = text;
  guess.most = most;
  Guess* one = &guess;
  drafter.guess({&one, 1});
  return guess.tokens;
}

// The slow way: the longest end of at most 16 tokens that stood before, of several the latest.
NgramIndex::Match looked_for(const std::vector<int32_t>& text, int least, int most) {
  NgramIndex::Match best;
  for (size_t next = text.size() - 1; next > 0; --next) {
    int alike = 0;
    while (alike < 16 && static_cast<size_t>(alike) < next &&
           text[next - 1 - static_cast<size_t>(alike)] ==
               text[text.size() - 1 - static_cast<size_t>(alike)]) {
      ++alike;
    }
    // Ends longer than `most` are all the same to the index.
    if (alike >= least && std::min(alike, most) > std::min(best.length, most))
      best = {static_cast<int>(next), alike};
  }
  return best;
}

}  // namespace

TEST_CASE("What followed the last time is guessed, however the text grew") {
  NgramDrafter drafter(2, 4);
  std::vector<int32_t> text = {5, 6, 7, 8, 9, 1, 5, 6};
  CHECK(guessed(drafter, text, 3) == std::vector<int32_t>{7, 8, 9});
  CHECK(guessed(drafter, text, 1) == std::vector<int32_t>{7});
  text.push_back(2);
  CHECK(guessed(drafter, text, 3).empty());
  for (const int32_t token : {5, 6}) text.push_back(token);
  CHECK(guessed(drafter, text, 3) == std::vector<int32_t>{2, 5, 6});  // the latest
  for (const int32_t token : {7, 8, 5, 6}) text.push_back(token);
  // 7 8 5 6 never stood there before, 5 6 did.
  CHECK(guessed(drafter, text, 2) == std::vector<int32_t>{7, 8});
}

TEST_CASE("A text that repeats itself is guessed to go on so, beyond its end") {
  NgramDrafter drafter(2, 3);
  CHECK(guessed(drafter, {1, 2, 3, 1, 2}, 7) == std::vector<int32_t>{3, 1, 2, 3, 1, 2, 3});
  CHECK(guessed(drafter, {9, 4, 4, 4}, 3, 2) == std::vector<int32_t>{4, 4, 4});
}

TEST_CASE("Texts are apart, and one that has ended leaves nothing to the next of its number") {
  NgramDrafter drafter(1, 3);
  CHECK(guessed(drafter, {3, 4, 5, 3}, 1, 1) == std::vector<int32_t>{4});
  CHECK(guessed(drafter, {3}, 1, 2).empty());
  drafter.forget(1);
  CHECK(guessed(drafter, {8, 9, 3, 7, 3}, 1, 1) == std::vector<int32_t>{7});
  CHECK(guessed(drafter, {3, 3}, 1, 2) == std::vector<int32_t>{3});
}

TEST_CASE("The index finds what a search through the whole text finds, nearly always") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(static_cast<unsigned>(seed));
    const int letters = 2 + static_cast<int>(seed % 9), least = 1 + static_cast<int>(seed % 3);
    const int most = least + static_cast<int>(seed % 4);
    NgramIndex index(least, most);
    std::vector<int32_t> text = {0};
    int same = 0, all = 0;
    while (text.size() < 1500) {
      for (uint64_t i = 0; i <= random() % 3; ++i)
        text.push_back(static_cast<int32_t>(random() % static_cast<uint64_t>(letters)));
      const auto found = index.find(text), wanted = looked_for(text, least, most);
      // Two n-grams may share a slot; what is found is always there.
      for (int i = 1; i <= found.length; ++i) {
        REQUIRE(text[static_cast<size_t>(found.next - i)] ==
                text[text.size() - static_cast<size_t>(i)]);
      }
      same += found.next == wanted.next && found.length == wanted.length;
      ++all;
    }
    CHECK(same > all * 7 / 10);
  }
}

TEST_CASE("The cost of rows is learnt, and an idle moment of the machine is not") {
  StepCost cost;
  CHECK(cost.seconds(2) > cost.seconds(1));
  for (int i = 0; i < 60; ++i) cost.learn(1 + i % 4, 0.010 + 0.002 * (i % 4));
  CHECK(cost.seconds(1) == doctest::Approx(0.010).epsilon(0.02));
  CHECK(cost.seconds(6) == doctest::Approx(0.020).epsilon(0.05));
  const double before = cost.seconds(3);
  cost.learn(3, 1);
  CHECK(cost.seconds(3) == before);
  for (int i = 0; i < 100; ++i) cost.learn(3, 1);  // it was no moment
  CHECK(cost.seconds(3) > 0.9);
  StepCost pairs;  // an odd row costs as much as two
  for (int i = 0; i < 60; ++i) pairs.learn(1 + i % 6, 0.010 * ((2 + i % 6) / 2));
  CHECK(pairs.seconds(3) > pairs.seconds(2) * 1.7);
  CHECK(pairs.seconds(4) < pairs.seconds(3) * 1.1);
  StepCost one;  // with one number of rows alone the slope stays a guess between nothing and all
  for (int i = 0; i < 60; ++i) one.learn(2, 0.010);
  CHECK(one.seconds(2) == doctest::Approx(0.010));
  CHECK(one.seconds(3) > one.seconds(2));
  CHECK(one.seconds(4) <= 0.020);
}

TEST_CASE("What was measured of a number of rows is forgotten, so that it is tried again") {
  StepCost cost;
  for (int i = 0; i < 20; ++i) cost.learn(1 + i % 2, 0.010 + 0.001 * (i % 2));
  cost.learn(3, 0.030);
  const double dear = cost.seconds(3);
  for (int i = 0; i < 200; ++i) cost.learn(1 + i % 2, 0.010 + 0.001 * (i % 2));
  CHECK(dear > 0.020);
  CHECK(cost.seconds(3) < 0.014);
}

TEST_CASE("Guesses are as many as pay") {
  const auto lengths = [](std::vector<DraftWish> wishes, int room, double row) {
    const double rows = static_cast<double>(wishes.size());
    choose_lengths(wishes, room, [&](int guesses) { return 1 + row * (rows + guesses - 1); });
    std::vector<int> chosen;
    for (const DraftWish& wish : wishes) chosen.push_back(wish.chosen);
    return chosen;
  };
  using Lengths = std::vector<int>;
  // Rows that cost nothing: all there are, as far as there is room.
  CHECK(lengths({{.available = 5, .rate = 0.5}}, 8, 0) == Lengths{5});
  CHECK(lengths({{.available = 5, .rate = 0.5}}, 3, 0) == Lengths{3});
  // A row that costs as much as a batch never pays.
  CHECK(lengths({{.available = 5, .rate = 0.99}}, 8, 1) == Lengths{0});
  CHECK(lengths({{.available = 5, .rate = 0}}, 8, 0.01) == Lengths{0});
  // One guess at a rate of 0.3 gains 0.3 of a token and costs 0.2 of the time, the second 0.09.
  CHECK(lengths({{.available = 5, .rate = 0.3}}, 8, 0.2) == Lengths{1});
  // The text whose guesses come true gets the rows.
  CHECK(lengths({{.available = 5, .rate = 0.2}, {.available = 5, .rate = 0.9}}, 3, 0.1) ==
        Lengths{0, 3});
  // Beside many others a row costs its share of what is then mostly arithmetic.
  std::vector<DraftWish> many(20, {.available = 5, .rate = 0.6});
  CHECK(lengths(many, 32, 0.01)[0] > 0);
  CHECK(lengths(many, 32, 0.5) == Lengths(20, 0));
  choose_lengths(many, 7, {});
  int all = 0;
  for (const DraftWish& wish : many) all += wish.chosen;
  CHECK(all == 7);
}

TEST_CASE(
    "A rate follows what comes true, and what is not tried any more is tried again some day") {
  HitRate rate;
  for (int i = 0; i < 30; ++i) rate.learn(0, true);
  CHECK(rate.value() < 0.1);
  for (int i = 0; i < 200; ++i) rate.fade();
  CHECK(rate.value() > 0.4);
  for (int i = 0; i < 10; ++i) rate.learn(5, false);
  CHECK(rate.value() > 0.95);
}
