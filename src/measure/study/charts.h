// The pictures of a study's report: points with intervals, lines, and bars.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace issun::measure {

// A number as people write it: four digits that matter, no trailing zeros.
std::string short_number(double value);

enum class Scale {
  Linear,
  Doubling,  // equal steps for equal ratios, marks at powers of two; values above 0
};

struct ChartPoint {
  double x = 0, y = 0;
  double error = 0;        // half of an interval around y; 0: none is drawn
  std::string label = {};  // beside the point; empty: none
};

struct ChartSeries {
  std::string name;
  std::vector<ChartPoint> points;
  bool joined = false;  // by a line, in the order of the points
};

struct Chart {
  std::string title = {}, x_title = {}, y_title = {};
  Scale x_scale = Scale::Linear;
  bool y_from_zero = false;
  std::vector<ChartSeries> series = {};
};

// Points that are no finite numbers, or not above 0 on a Doubling scale, are left out; empty where
// no point is left.
std::string chart_svg(const Chart& chart);

struct Bar {
  std::string label;
  std::optional<double> value;  // none: `note` stands in its place
  double error = 0;             // half of an interval around the value
  std::string note;
};

// Horizontal bars from 0, the value behind each; empty where none has a value.
std::string bars_svg(std::string_view title, std::string_view unit, const std::vector<Bar>& bars);

}  // namespace issun::measure
