// Plots as SVG that stands alone and is readable on light and dark pages: axes with round ticks,
// lines, dots, bars and words. Not here: what is plotted, and in which colours.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace issun {

// Text as it may stand between tags or in an attribute of XML and HTML; control characters are left
// out.
std::string xml_escaped(std::string_view text);

// One axis: numbers to places, and round numbers for its ticks.
struct PlotAxis {
  double low, high;      // shown; both are ticks
  double begin, length;  // in the drawing; a negative length runs up
  double tick = 0;       // between two

  // Shows [least, most] and a little more, with about so many ticks.
  PlotAxis(double least, double most, double from, double size, int ticks);
  double at(double value) const { return begin + (value - low) / (high - low) * length; }
  int ticks() const;
  double tick_value(int i) const { return low + i * tick; }
  // With as many digits as the ticks need.
  std::string label(double value) const;
};

struct PlotPoint {
  double x, y;
};

// Where the plot lies in a drawing.
struct PlotFrame {
  double width = 800, height = 450;
  double left = 70, right = 20, top = 50, bottom = 55;  // margins around the plot
};

// Elements one after another. `kind` is a class of the style.
class SvgPlot {
 public:
  using Label = std::function<std::string(double)>;

  // The axes' places are taken from the frame.
  SvgPlot(const PlotFrame& frame, PlotAxis across, PlotAxis up);
  const PlotAxis& across() const { return across_; }
  const PlotAxis& up() const { return up_; }

  // Grid, ticks and names of both axes. Labels: how a tick's number is written; empty: as it is.
  void axes(std::string_view across_name, std::string_view up_name, const Label& across_label = {},
            const Label& up_label = {});
  // In the axes' numbers.
  void curve(std::string_view kind, std::span<const PlotPoint> points);
  void dots(std::string_view kind, std::span<const PlotPoint> points, double radius = 2.5);
  // In the drawing's places.
  void line(std::string_view kind, double x1, double y1, double x2, double y2);
  void box(std::string_view kind, double x1, double y1, double x2, double y2);
  // anchor: start, middle or end.
  void text(double x, double y, std::string_view anchor, std::string_view words,
            std::string_view kind = "");
  // The whole drawing; style: CSS for the kinds that were used.
  std::string finish(std::string_view title, std::string_view style) const;

 private:
  const PlotFrame frame_;
  const PlotAxis across_, up_;
  std::string out_;
};

}  // namespace issun
