#include "base/svg_plot.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace issun;

TEST_CASE("an axis ends at round marks and puts its values between them") {
  const PlotAxis axis(PlotAxis::Scale::Linear, 3.2, 17.9, 100, 400);
  CHECK(axis.low() <= 3.2);
  CHECK(axis.high() >= 17.9);
  CHECK(axis.at(axis.low()) == doctest::Approx(100));
  CHECK(axis.at(axis.high()) == doctest::Approx(400));
  CHECK(axis.at((axis.low() + axis.high()) / 2) == doctest::Approx(250));
  REQUIRE(axis.marks().size() >= 3);
  CHECK(axis.marks().front() == doctest::Approx(axis.low()));
  CHECK(axis.marks().back() == doctest::Approx(axis.high()));
}

TEST_CASE("an axis from zero has zero, and one of a single value has room around it") {
  CHECK(PlotAxis(PlotAxis::Scale::Linear, 5, 9, 0, 1, true).low() == 0);
  const PlotAxis one(PlotAxis::Scale::Linear, 4, 4, 0, 100);
  CHECK(one.low() < 4);
  CHECK(one.high() > 4);
  CHECK(one.at(4) == doctest::Approx(50));
  CHECK(std::isfinite(PlotAxis(PlotAxis::Scale::Linear, 0, 0, 0, 100).at(0)));
}

TEST_CASE("a logarithmic axis doubles by equal steps") {
  const PlotAxis axis(PlotAxis::Scale::Log, 128, 1024, 0, 300);
  CHECK(axis.at(128) == doctest::Approx(0));
  CHECK(axis.at(256) == doctest::Approx(100));
  CHECK(axis.at(512) == doctest::Approx(200));
  CHECK(axis.marks() == std::vector<double>{128, 256, 512, 1024});
}

TEST_CASE("numbers are written short") {
  CHECK(short_number(0) == "0");
  CHECK(short_number(16384) == "16384");
  CHECK(short_number(12.5) == "12.5");
  CHECK(short_number(0.04321) == "0.04321");
  CHECK(short_number(1234.567) == "1235");
  CHECK(short_number(NAN) == "no number");
}

TEST_CASE("what is no number is left out of a plot, and words cannot become markup") {
  Plot plot{.title = "a <b> & \"c\"", .x_title = "x", .y_title = "y"};
  plot.series.push_back({"one", {{1, 2, 0.5, "p<q"}, {2, NAN, 0, ""}, {3, 4, 0, ""}}, true});
  const std::string svg = plot_svg(plot);
  CHECK(svg.find("a &lt;b&gt; &amp; &quot;c&quot;") != std::string::npos);
  CHECK(svg.find("p&lt;q") != std::string::npos);
  CHECK(svg.find("nan") == std::string::npos);
  size_t circles = 0;
  for (size_t at = svg.find("<circle"); at != std::string::npos; at = svg.find("<circle", at + 1))
    ++circles;
  CHECK(circles == 3);  // two points and the legend
}

TEST_CASE("a plot without points says so, and a bar without a value says why") {
  CHECK(plot_svg({.title = "t", .x_title = "x", .y_title = "y", .series = {}}).find("no figures") !=
        std::string::npos);
  const std::string bars = bars_svg(
      "energy", "J", {{"a", 3.0, 1.0, ""}, {"b", std::nullopt, 0, "unavailable: no zone"}});
  CHECK(bars.find("3 ± 1") != std::string::npos);
  CHECK(bars.find("unavailable: no zone") != std::string::npos);
}
