// Plots as SVG that stand alone or inside a page, for light and dark: points and lines with
// intervals, and bars. Not here: the loss curve, which thins and smooths its own rows.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace issun {

// "<", ">", "&" and quotes as entities, control characters left out: text inside SVG and HTML.
std::string escape_markup(std::string_view text);

// A number as people write it: four digits that matter, no trailing zeros.
std::string short_number(double value);

// One direction of a plot: which place a value has, and which values are marked.
class PlotAxis {
 public:
  enum class Scale {
    Linear,  // marks at round steps; the ends are marks
    Log,     // values above 0; marks at powers of two, or of ten where the range is wide
  };
  // From the least to the most value, which lie between the places `begin` and `end` of the
  // drawing. Values that are equal get room on both sides; `from_zero` includes 0 (Linear).
  PlotAxis(Scale scale, double least, double most, double begin, double end,
           bool from_zero = false);
  double at(double value) const;
  const std::vector<double>& marks() const { return marks_; }
  double low() const { return low_; }
  double high() const { return high_; }

 private:
  void mark_linear(int wanted);
  void mark_log();
  Scale scale_;
  double low_, high_, begin_, end_;
  std::vector<double> marks_;
};

struct PlotPoint {
  double x = 0, y = 0;
  double error = 0;   // half of an interval around y; 0: none is drawn
  std::string label;  // beside the point; empty: none
};

struct PlotSeries {
  std::string name;
  std::vector<PlotPoint> points;
  bool joined = false;  // by a line, in the order of the points
};

struct Plot {
  std::string title, x_title, y_title;
  PlotAxis::Scale x_scale = PlotAxis::Scale::Linear, y_scale = PlotAxis::Scale::Linear;
  bool y_from_zero = false;
  std::vector<PlotSeries> series;
};

// Points that are no finite numbers, or not above 0 on a Log axis, are left out. A plot without a
// point says so.
std::string plot_svg(const Plot& plot);

struct PlotBar {
  std::string label;
  std::optional<double> value;  // none: `note` stands in its place
  double error = 0;             // half of an interval around the value
  std::string note;
};

// Horizontal bars from 0, the value behind each.
std::string bars_svg(std::string_view title, std::string_view unit,
                     const std::vector<PlotBar>& bars);

}  // namespace issun
