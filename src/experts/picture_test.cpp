#include "experts/picture.h"

#include <doctest/doctest.h>

#include "experts/testing.h"

using namespace issun::experts;

TEST_CASE("the picture of a trace names its layers and stays small for many experts and batches") {
  Trace trace = made_up_trace({.layers = 30, .experts = 64, .used = 4, .batches = 300});
  trace.header.model = "a<b";
  const std::string svg =
      replay_picture(trace, Visits::of(trace), Contender::Lfru, std::vector<int>(30, 16));
  CHECK(svg.starts_with("<svg"));
  CHECK(svg.find("a&lt;b") != std::string::npos);
  CHECK(svg.find(">layer 29<") != std::string::npos);
  CHECK(svg.find("lfru, 480 of 1920 experts") != std::string::npos);
  CHECK(svg.find("nan") == std::string::npos);
  CHECK(svg.size() < 8'000'000);
  trace.batches.clear();
  CHECK(replay_picture(trace, Visits::of(trace), Contender::Lru, std::vector<int>(30, 1))
            .ends_with("</svg>\n"));
}
