#include "quantize/allocation.h"

#include <doctest/doctest.h>

#include <limits>
#include <random>

using namespace issun;
using namespace issun::quantize;

namespace {

using Items = std::vector<std::vector<Choice>>;

Items some_items(std::mt19937& random, int count, int most_choices, bool convex) {
  Items items(static_cast<size_t>(count));
  for (std::vector<Choice>& choices : items) {
    const int n = 1 + static_cast<int>(random() % static_cast<unsigned>(most_choices));
    const double scale = static_cast<double>(random() % 100 + 1);
    for (int c = 0; c < n; ++c) {
      const double bytes = static_cast<double>(random() % 50 + 1);
      const double any = static_cast<double>(random() % 1000);
      choices.push_back({bytes, convex ? scale / bytes : any});
    }
  }
  return items;
}

// By trying all. Infinite where nothing keeps the limit.
double brute_force(const Items& items, double limit, bool by_bytes) {
  double best = std::numeric_limits<double>::infinity();
  std::vector<size_t> at(items.size());
  while (true) {
    double bytes = 0, damage = 0;
    for (size_t i = 0; i < items.size(); ++i) {
      bytes += items[i][at[i]].bytes;
      damage += items[i][at[i]].damage;
    }
    if ((by_bytes ? bytes : damage) <= limit) best = std::min(best, by_bytes ? damage : bytes);
    size_t i = 0;
    while (i < items.size() && ++at[i] == items[i].size()) at[i++] = 0;
    if (i == items.size()) return best;
  }
}

}  // namespace

TEST_CASE("an allocation is the best there is, for a size and for a damage") {
  std::mt19937 random(11);
  int solved = 0;
  for (int round = 0; round < 400; ++round) {
    CAPTURE(round);
    const Items items = some_items(random, 1 + round % 6, 6, round % 2 == 0);
    for (const bool by_bytes : {true, false}) {
      const double limit = static_cast<double>(random() % (by_bytes ? 200 : 3000));
      const double expected = brute_force(items, limit, by_bytes);
      const auto found = by_bytes ? least_damage(items, limit) : least_bytes(items, limit);
      REQUIRE(found.has_value() == std::isfinite(expected));
      if (!found) continue;
      ++solved;
      CHECK((by_bytes ? found->damage : found->bytes) == doctest::Approx(expected).epsilon(1e-9));
      CHECK((by_bytes ? found->bytes : found->damage) <= limit);
      CHECK(found->bound == doctest::Approx(expected).epsilon(1e-9));
      double bytes = 0;
      for (size_t i = 0; i < items.size(); ++i)
        bytes += items[i][static_cast<size_t>(found->chosen[i])].bytes;
      CHECK(bytes == found->bytes);
    }
  }
  CHECK(solved > 300);
}

TEST_CASE("an allocation of many items ends, within its bound and near it") {
  std::mt19937 random(5);
  const Items items = some_items(random, 600, 12, true);
  double least = 0, most = 0;
  for (const std::vector<Choice>& choices : items) {
    double small = choices[0].bytes, large = small;
    for (const Choice& choice : choices) {
      small = std::min(small, choice.bytes);
      large = std::max(large, choice.bytes);
    }
    least += small;
    most += large;
  }
  const Allocation found = *least_damage(items, (least + most) / 2);
  CHECK(found.bytes <= (least + most) / 2);
  CHECK(found.damage >= found.bound * (1 - 1e-9));
  CHECK(found.damage <= found.bound * 1.001);
}

TEST_CASE("a limit that nothing keeps is refused with what it would take") {
  const Items items = {{{10, 1}, {20, 0}}, {{5, 3}}};
  const auto refused = least_damage(items, 14);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.find("15 bytes") != std::string::npos);
  CHECK_FALSE(least_bytes(items, 2));
  CHECK(least_bytes(items, 3)->bytes == 25);
  CHECK(least_damage(items, 15)->damage == 4);
}
