#include "measure/study/charts.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace issun::measure;

namespace {

size_t count(const std::string& text, const std::string& word) {
  size_t found = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
  return found;
}

// The x of the n-th dot.
double dot_x(const std::string& svg, int n) {
  size_t at = 0;
  for (int i = 0; i <= n; ++i) at = svg.find("cx=\"", at + 1);
  return std::stod(svg.substr(at + 4));
}

}  // namespace

TEST_CASE("numbers are written short") {
  CHECK(short_number(0) == "0");
  CHECK(short_number(16384) == "16384");
  CHECK(short_number(12.5) == "12.5");
  CHECK(short_number(0.04321) == "0.04321");
  CHECK(short_number(1234.567) == "1235");
  CHECK(short_number(NAN) == "no number");
}

TEST_CASE("on a doubling scale equal ratios lie equally far apart, and marks are powers of two") {
  Chart chart{.title = "t", .x_title = "x", .y_title = "y", .x_scale = Scale::Doubling};
  chart.series = {{"one", {{128, 1}, {256, 2}, {512, 3}, {0, 4}}, true}};
  const std::string svg = chart_svg(chart);
  CHECK(count(svg, "<circle") == 3);  // a logarithm of 0 cannot be shown
  CHECK(dot_x(svg, 1) - dot_x(svg, 0) ==
        doctest::Approx(dot_x(svg, 2) - dot_x(svg, 1)).epsilon(1e-3));
  for (const char* mark : {">128<", ">256<", ">512<"}) CHECK(svg.find(mark) != std::string::npos);
}

TEST_CASE("what is no number is left out of a chart, and words cannot become markup") {
  Chart chart{.title = "a <b> & \"c\"", .x_title = "x", .y_title = "y"};
  chart.series = {{"one", {{1, 2, 0.5, "p<q"}, {2, NAN}, {3, 4}}}};
  const std::string svg = chart_svg(chart);
  CHECK(svg.find("a &lt;b&gt; &amp; &quot;c&quot;") != std::string::npos);
  CHECK(svg.find("p&lt;q") != std::string::npos);
  CHECK(svg.find("nan") == std::string::npos);
  CHECK(count(svg, "<circle") == 2);
}

TEST_CASE("a chart without points is none, and a bar without a value says why") {
  CHECK(chart_svg({}).empty());
  CHECK(bars_svg("t", "", {{"a", std::nullopt, 0, "x"}}).empty());
  const std::string bars = bars_svg(
      "energy", "J", {{"a", 3.0, 1.0, ""}, {"b", std::nullopt, 0, "unavailable: no zone"}});
  CHECK(bars.find("3 ± 1") != std::string::npos);
  CHECK(bars.find("unavailable: no zone") != std::string::npos);
  CHECK(bars.find("energy (J)") != std::string::npos);
}
