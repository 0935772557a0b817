#include "train/schedule.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace issun;
using namespace issun::train;

namespace {

Schedule schedule(Decay decay) {
  return {.decay = decay,
          .peak = 2,
          .least_share = 0.1,
          .steps = 111,
          .warmup = 10,
          .decay_share = 0.2};
}

double rate(Decay decay, int64_t step) { return learning_rate(schedule(decay), step); }

}  // namespace

TEST_CASE("Every schedule warms up to its peak and ends where it should") {
  for (const Decay decay : {Decay::Constant, Decay::Linear, Decay::Cosine, Decay::Wsd}) {
    REQUIRE(check(schedule(decay)));
    CHECK(rate(decay, 0) == doctest::Approx(0.2));
    CHECK(rate(decay, 4) == doctest::Approx(1));
    CHECK(rate(decay, 9) == 2);
    CHECK(rate(decay, 10) == 2);
    CHECK(rate(decay, 110) == doctest::Approx(decay == Decay::Constant ? 2 : 0.2));
    CHECK(rate(decay, 5000) == rate(decay, 110));
    for (int64_t step = 10; step < 110; ++step) CHECK(rate(decay, step + 1) <= rate(decay, step));
  }
  CHECK(rate(Decay::Linear, 60) == doctest::Approx(1.1));
  CHECK(rate(Decay::Cosine, 60) == doctest::Approx(1.1));
  CHECK(rate(Decay::Cosine, 35) == doctest::Approx(0.2 + 1.8 * 0.5 * (1 + std::sqrt(0.5))));
  CHECK(rate(Decay::Wsd, 87) == 2);  // 23 of 111 steps go down
  CHECK(rate(Decay::Wsd, 99) < 2);
}

TEST_CASE("Schedules of few steps are numbers too") {
  for (const Decay decay : {Decay::Constant, Decay::Linear, Decay::Cosine, Decay::Wsd}) {
    for (int64_t steps = 1; steps < 5; ++steps) {
      for (int64_t warmup = 0; warmup < steps; ++warmup) {
        Schedule s = schedule(decay);
        s.steps = steps, s.warmup = warmup;
        REQUIRE(check(s));
        for (int64_t step = 0; step < steps; ++step) {
          CHECK(learning_rate(s, step) > 0);
          CHECK(learning_rate(s, step) <= 2);
        }
      }
    }
  }
}

TEST_CASE("A schedule that makes no sense is refused by its number") {
  const auto error = [](auto change) {
    Schedule s = schedule(Decay::Cosine);
    change(s);
    const auto checked = check(s);
    REQUIRE_FALSE(checked);
    return checked.error().message;
  };
  CHECK(error([](Schedule& s) { s.peak = std::nan(""); }) ==
        "learning rate: expected a number above 0, found nan");
  CHECK(error([](Schedule& s) { s.peak = 0; }).starts_with("learning rate"));
  CHECK(error([](Schedule& s) { s.least_share = 1.5; }).starts_with("least share"));
  CHECK(error([](Schedule& s) { s.steps = 0; }) == "steps: expected at least 1, found 0");
  CHECK(error([](Schedule& s) { s.warmup = 111; }) ==
        "warmup: expected 0 to 110 steps, one below all, found 111");
  CHECK(error([](Schedule& s) { s.decay_share = 0; }).starts_with("share of steps"));
  CHECK(decay_from_name("cosine").has_value());
  CHECK(decay_from_name("step").error().message ==
        "schedule: expected constant, linear, cosine or wsd, found 'step'");
}
