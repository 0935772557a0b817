#include "model/profile.h"

#include <doctest/doctest.h>

#include "base/clock.h"

using namespace issun;
using namespace issun::model;

namespace {

void spend(double seconds) {
  const double end = seconds_now() + seconds;
  while (seconds_now() < end) {}
}

}  // namespace

TEST_CASE("Every moment of a pass belongs to the innermost step, and none to two") {
  Profile profile;
  const double began = seconds_now();
  {
    const ProfiledPass pass(&profile);
    const Timed mixing(&profile, Step::Mixing);
    spend(0.004);
    {
      const Timed products = Timed::product(&profile);
      spend(0.008);
      const Timed rounding(&profile, Step::Rounding);
      spend(0.002);
    }
    spend(0.001);
  }
  const double all = seconds_now() - began;
  spend(0.005);  // between passes
  CHECK(profile.passes() == 1);
  CHECK(profile.seconds(Step::Mixing) >= 0.005);
  CHECK(profile.seconds(Step::MixerMatrices) >= 0.008);
  CHECK(profile.seconds(Step::Rounding) >= 0.002);
  CHECK(profile.seconds(Step::FeedForwardMatrices) == 0);
  CHECK(profile.seconds() <= all);
  CHECK(profile.seconds() >= 0.015);
}

TEST_CASE("Without a profile nothing is timed") {
  const ProfiledPass pass(nullptr);
  const Timed timed(nullptr, Step::Norms);
  const Timed product = Timed::product(nullptr);
}
