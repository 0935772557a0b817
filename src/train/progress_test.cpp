#include "train/progress.h"

#include <doctest/doctest.h>

#include <vector>

using namespace issun::train;

TEST_CASE("A line of progress says what is known and nothing else") {
  CHECK(progress_line({.step = 1,
                       .steps = 20,
                       .loss = 10.8254,
                       .tokens_per_second = 0,
                       .peak_share = {},
                       .seconds_left = {}}) == "step 1/20  loss 10.825");
  CHECK(progress_line({.step = 120,
                       .steps = 2000,
                       .loss = 3.4121,
                       .tokens_per_second = 5210,
                       .peak_share = 0.613,
                       .seconds_left = 725}) ==
        "step 120/2000  loss 3.412  5.2k tokens/s  61 % of peak  12m 05s left");
  CHECK(duration(41.9) == "41s");
  CHECK(duration(3600 * 3 + 20 * 60 + 59) == "3h 20m");
  CHECK(duration(86400 * 2 + 3600 * 4) == "2d 4h");
  CHECK(duration(-1) == "0s");
}

TEST_CASE("Lines come ten times a second on a terminal, seldom in a file, and at the end") {
  for (const bool terminal : {true, false}) {
    std::vector<std::string> lines;
    Progress progress(terminal, 30, [&](const std::string& line) { lines.push_back(line); });
    ProgressFacts facts;
    facts.steps = 1000;
    for (int step = 1; step <= 1000; ++step) {  // ten seconds
      facts.step = step;
      progress.update(facts, 5 + step * 0.01);
    }
    if (terminal) {
      CHECK(lines.size() > 80);
      CHECK(lines.size() <= 102);
    } else {
      CHECK(lines.size() == 2);
    }
    CHECK(lines.front().starts_with("step 1/1000"));
    CHECK(lines.back().starts_with("step 1000/1000"));
  }
}

TEST_CASE("The time left is that of the recent steps, and not known at first") {
  TimeLeft left;
  CHECK_FALSE(left.after(1, 100, 50).has_value());
  CHECK(*left.after(2, 100, 52) == doctest::Approx(2 * 98));
  for (int step = 3; step <= 100; ++step) {
    const double rest = *left.after(step, 100, 52 + (step - 2) * 1.0);
    CHECK(rest >= 100 - step);
    if (step == 90) CHECK(rest == doctest::Approx(10).epsilon(0.01));
  }
}
