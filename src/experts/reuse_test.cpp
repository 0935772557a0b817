#include "experts/reuse.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <list>
#include <numeric>
#include <random>

using namespace issun::experts;

TEST_CASE("stack distances say what an LRU of any size would hit") {
  std::mt19937 random(5);
  constexpr int kUnits = 12;
  std::vector<int> uses;
  for (int i = 0; i < 500; ++i)
    uses.push_back(static_cast<int>(std::min(random() % kUnits, random() % kUnits)));
  ReuseCurve reuse(kUnits);
  for (const int unit : uses) reuse.use(unit);
  const std::vector<double> curve = reuse.curve();
  REQUIRE(curve.size() == kUnits + 1);
  for (size_t slots = 0; slots <= kUnits; ++slots) {
    std::list<int> cache;
    int hits = 0;
    for (const int unit : uses) {
      hits += std::find(cache.begin(), cache.end(), unit) != cache.end();
      cache.remove(unit);
      cache.push_back(unit);
      if (cache.size() > slots) cache.pop_front();
    }
    CHECK(curve[slots] == doctest::Approx(hits / 500.0));
    CHECK(reuse.hits(static_cast<int>(slots)) == doctest::Approx(hits / 500.0));
  }
  CHECK(reuse.uses() == doctest::Approx(500));
}

TEST_CASE("units of one batch do not push each other out") {
  ReuseCurve reuse(4);
  const std::vector<int32_t> all = {0, 1, 2};
  reuse.use_together(all);
  reuse.use_together(all);
  CHECK(reuse.hits(3) == doctest::Approx(0.5));  // the second batch, whole
  CHECK(reuse.hits(1) == doctest::Approx(1 / 6.0));
  reuse.use_together(all, false);
  CHECK(reuse.uses() == doctest::Approx(6));
}

TEST_CASE("an old use counts half after the half-life") {
  ReuseCurve reuse(3, 100);
  for (int i = 0; i < 1000; ++i) reuse.use(0);
  for (int i = 0; i < 100; ++i) reuse.use(1 + i % 2);
  // What is left of the first part is half, and none of the second hits one slot.
  CHECK(reuse.hits(1) == doctest::Approx(0.5).epsilon(0.01));
  CHECK(reuse.hits(2) == doctest::Approx(1).epsilon(0.02));
  for (int i = 0; i < 100000; ++i) reuse.use(0);  // weights are brought back into range
  CHECK(reuse.hits(1) == doctest::Approx(1).epsilon(0.001));
  CHECK(ReuseCurve(3).hits(3) == 0);
}

namespace {

double gain_of(const SlotDivision& division, const std::vector<int>& slots) {
  double gain = 0;
  for (size_t l = 0; l < slots.size(); ++l)
    gain += division.curves[l][static_cast<size_t>(slots[l])];
  return gain;
}

int64_t bytes_of(const SlotDivision& division, const std::vector<int>& slots) {
  int64_t bytes = 0;
  for (size_t l = 0; l < slots.size(); ++l) bytes += slots[l] * division.layer_bytes[l];
  return bytes;
}

// The most that any division within the budget gains.
double best_gain(const SlotDivision& division) {
  std::vector<int> slots(division.least.begin(), division.least.end());
  double best = 0;
  while (true) {
    if (bytes_of(division, slots) <= division.budget_bytes)
      best = std::max(best, gain_of(division, slots));
    size_t l = 0;
    while (l < slots.size() && slots[l] == division.most[l]) {
      slots[l] = division.least[l];
      ++l;
    }
    if (l == slots.size()) return best;
    ++slots[l];
  }
}

}  // namespace

TEST_CASE("slots are divided as well as by trying all divisions, up to one slot") {
  std::mt19937 random(9);
  std::uniform_real_distribution<double> unit(0, 1);
  for (int trial = 0; trial < 300; ++trial) {
    CAPTURE(trial);
    const bool concave = trial % 2 == 0;
    std::vector<std::vector<double>> curves;
    std::vector<int64_t> bytes;
    double largest = 0;  // gain that one slot can add on a hull, hence the most that is lost
    for (int l = 0; l < 3; ++l) {
      std::vector<double> steps;
      for (int i = 0; i < 5; ++i) steps.push_back(unit(random));
      if (concave) std::sort(steps.rbegin(), steps.rend());
      std::vector<double> curve{0};
      for (const double step : steps) curve.push_back(curve.back() + step);
      largest = std::max(largest, concave ? steps[0] : curve.back());
      curves.push_back(curve);
      bytes.push_back(trial % 3 == 0 ? 10 : 5 + static_cast<int64_t>(random() % 10));
    }
    const std::vector<int> least = {1, 0, 1}, most = {5, 5, 5};
    const SlotDivision division{.curves = curves,
                                .layer_bytes = bytes,
                                .budget_bytes = 40 + static_cast<int64_t>(random() % 100),
                                .least = least,
                                .most = most};
    const std::vector<int> slots = divide_slots(division);
    CHECK(bytes_of(division, slots) <= division.budget_bytes);
    for (size_t l = 0; l < 3; ++l) {
      CHECK(slots[l] >= least[l]);
      CHECK(slots[l] <= most[l]);
    }
    const double best = best_gain(division), found = gain_of(division, slots);
    CHECK(found <= best + 1e-9);
    CHECK(found >= best - largest - 1e-9);
    // Equal sizes and falling gains: nothing is lost.
    if (concave && trial % 3 == 0) CHECK(found == doctest::Approx(best));
  }
}

TEST_CASE("slots are shared equally where nothing is known") {
  const std::vector<std::vector<double>> unknown(3);
  const std::vector<int64_t> bytes = {10, 10, 10};
  const std::vector<int> least = {1, 1, 1}, most = {8, 8, 8};
  SlotDivision division{
      .curves = unknown, .layer_bytes = bytes, .budget_bytes = 120, .least = least, .most = most};
  CHECK(divide_slots(division) == std::vector<int>{4, 4, 4});
  division.budget_bytes = 1000;
  CHECK(divide_slots(division) == most);
  division.budget_bytes = 0;
  CHECK(divide_slots(division) == least);
  // One that is known never gains: what it does not need goes to nobody before the unknown had
  // their share, and is shared then.
  const std::vector<std::vector<double>> known = {{0, 0, 0}, {}, {}};
  division.curves = known;
  division.budget_bytes = 120;
  CHECK(divide_slots(division) == std::vector<int>{4, 4, 4});
}

TEST_CASE("a layer of many uses gets more than one that is seldom needed") {
  const std::vector<std::vector<double>> curves = {{0, 9, 17, 24}, {0, 3, 3.5, 3.6}};
  const std::vector<int64_t> bytes = {10, 10};
  const std::vector<int> least = {0, 0}, most = {3, 3};
  CHECK(divide_slots({.curves = curves,
                      .layer_bytes = bytes,
                      .budget_bytes = 40,
                      .least = least,
                      .most = most}) == std::vector<int>{3, 1});
}
