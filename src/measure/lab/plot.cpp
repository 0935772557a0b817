#include "measure/lab/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace issun::measure::lab {

namespace {

constexpr int kColours = 8;
constexpr double kLegend = 210;  // beside the plot
// Told apart by people who see few colours too (Okabe and Ito 2008), and brighter on dark pages.
constexpr const char* kLight[kColours] = {"#0072b2", "#d55e00", "#009e73", "#a0528a",
                                          "#b8860b", "#111111", "#888888", "#cc2244"};
constexpr const char* kDark[kColours] = {"#56b4e9", "#ff9248", "#2fd6a3", "#e59ac9",
                                         "#f0e442", "#ffffff", "#999999", "#ff8080"};

std::string style() {
  std::string light = ".mark{stroke:#888;stroke-dasharray:4 3}", dark;
  for (int i = 0; i < kColours; ++i) {
    light += fmt::format(".l{0}{{stroke:{1};stroke-width:2}}.d{0}{{fill:{1}}}", i, kLight[i]);
    dark += fmt::format(".l{0}{{stroke:{1}}}.d{0}{{fill:{1}}}", i, kDark[i]);
  }
  return light + "@media(prefers-color-scheme:dark){" + dark + "}";
}

struct Box {
  double x1, y1, x2, y2;
  bool meets(const Box& other) const {
    return x1 < other.x2 && other.x1 < x2 && y1 < other.y2 && other.y1 < y2;
  }
};

// Words beside dots, where nothing else is written yet; those that find no room are left out.
class Labels {
 public:
  Labels(SvgPlot& plot, const PlotFrame& frame) : plot_(plot), frame_(frame) {}
  void keep_clear(double x, double y) { taken_.push_back({x - 3, y - 3, x + 3, y + 3}); }
  void add(double x, double y, const std::string& words) {
    const double width = 6.2 * static_cast<double>(words.size()), height = 11;
    const struct {
      double x, y;
      const char* anchor;
    } places[] = {{x + 6, y + 4, "start"},   {x - 6, y + 4, "end"},   {x, y - 7, "middle"},
                  {x, y + 15, "middle"},     {x + 6, y - 7, "start"}, {x + 6, y + 14, "start"},
                  {x - 6, y - 7, "end"},     {x - 6, y + 14, "end"},  {x + 10, y - 18, "start"},
                  {x + 10, y + 26, "start"}, {x - 10, y - 18, "end"}, {x - 10, y + 26, "end"}};
    for (const auto& place : places) {
      const double left = place.anchor[0] == 's'   ? place.x
                          : place.anchor[0] == 'e' ? place.x - width
                                                   : place.x - width / 2;
      const Box box{left, place.y - height + 2, left + width, place.y + 2};
      if (left < frame_.left || left + width > frame_.width - frame_.right) continue;
      if (std::any_of(taken_.begin(), taken_.end(), [&](const Box& b) { return b.meets(box); }))
        continue;
      taken_.push_back(box);
      plot_.text(place.x, place.y, place.anchor, words, "small");
      return;
    }
  }

 private:
  SvgPlot& plot_;
  const PlotFrame& frame_;
  std::vector<Box> taken_;
};

std::vector<PlotPoint> numbers(const std::vector<PlotPoint>& points) {
  std::vector<PlotPoint> result;
  for (const PlotPoint& p : points) {
    if (std::isfinite(p.x) && std::isfinite(p.y)) result.push_back(p);
  }
  return result;
}

struct Extent {
  double low = INFINITY, high = -INFINITY;
  void add(double x) {
    low = std::min(low, x);
    high = std::max(high, x);
  }
};

PlotAxis axis(const Extent& extent, double begin, double length, int ticks) {
  if (extent.low > extent.high) return PlotAxis(0, 1, begin, length, ticks);
  return PlotAxis(extent.low, extent.high, begin, length, ticks);
}

void add_marks(const Plot& plot, const PlotFrame& frame, SvgPlot* svg) {
  double y = frame.top + 12;
  for (const Mark& mark : plot.marks) {
    const double x = svg->across().at(mark.at);
    svg->line("mark", x, frame.top, x, frame.height - frame.bottom);
    const bool last = x > frame.width - frame.right - 100;
    svg->text(last ? x - 4 : x + 4, y, last ? "end" : "start", mark.name, "small");
    y += 14;
  }
}

void add_labels(const Plot& plot, const PlotFrame& frame, SvgPlot* svg) {
  Labels labels(*svg, frame);
  const auto each = [&](auto&& body) {
    for (const Series& series : plot.series) {
      for (size_t i = 0; i < series.points.size(); ++i) {
        const PlotPoint& p = series.points[i];
        if (std::isfinite(p.x) && std::isfinite(p.y))
          body(svg->across().at(p.x), svg->up().at(p.y), series, i);
      }
    }
  };
  each([&](double x, double y, const Series& series, size_t) {
    if (series.dots) labels.keep_clear(x, y);
  });
  each([&](double x, double y, const Series& series, size_t i) {
    if (i < series.labels.size()) labels.add(x, y, series.labels[i]);
  });
}

}  // namespace

std::string plot_svg(const Plot& plot) {
  PlotFrame frame;
  frame.right = plot.named_rows ? 20 : kLegend;
  if (plot.named_rows) frame.left = 150;
  if (plot.named_rows) frame.height = 250;
  Extent across, up;
  for (const Series& series : plot.series) {
    for (const PlotPoint& p : numbers(series.points)) across.add(p.x), up.add(p.y);
  }
  for (const Mark& mark : plot.marks) across.add(mark.at);
  if (plot.from_zero) up.add(0);
  SvgPlot::Label row_name;
  if (plot.named_rows) {
    up.add(0.5);
    up.add(0.5 - static_cast<double>(plot.series.size()));
    row_name = [&](double y) {
      const auto i = static_cast<size_t>(std::lround(std::abs(y)));
      const bool row = std::abs(y + static_cast<double>(i)) < 1e-6 && i < plot.series.size();
      return row ? plot.series[i].name : std::string();
    };
  }
  SvgPlot svg(frame, axis(across, frame.left, frame.width - frame.left - frame.right, 8),
              axis(up, frame.height - frame.bottom, frame.top + frame.bottom - frame.height, 6));
  svg.axes(plot.across, plot.up, {}, row_name);
  add_marks(plot, frame, &svg);
  for (size_t i = 0; i < plot.series.size(); ++i) {
    const Series& series = plot.series[i];
    const std::vector<PlotPoint> points = numbers(series.points);
    const size_t colour = i % kColours;
    if (series.line) svg.curve(fmt::format("l{}", colour), points);
    if (series.dots) svg.dots(fmt::format("d{}", colour), points, 3.5);
    if (plot.named_rows) continue;
    const double x = frame.width - frame.right + 14,
                 y = frame.top + 12 + 20 * static_cast<double>(i);
    svg.box(fmt::format("d{}", colour), x, y - 10, x + 12, y + 2);
    svg.text(x + 18, y, "start", series.name);
  }
  add_labels(plot, frame, &svg);
  return svg.finish(plot.title, style());
}

std::string bars_svg(const std::string& title, const std::string& across,
                     const std::vector<Bar>& bars) {
  constexpr double kBar = 22;
  PlotFrame frame;
  frame.left = 330;
  frame.right = 90;
  frame.height = frame.top + frame.bottom + kBar * static_cast<double>(bars.size());
  Extent extent;
  extent.add(0);
  for (const Bar& bar : bars) {
    if (std::isfinite(bar.value)) extent.add(bar.value);
  }
  const PlotAxis values = axis(extent, frame.left, frame.width - frame.left - frame.right, 6);
  SvgPlot svg(frame, values, PlotAxis(0, 1, frame.top, 1, 1));
  const double bottom = frame.height - frame.bottom;
  for (int i = 0; i < values.ticks(); ++i) {
    const double x = values.at(values.tick_value(i));
    svg.line("grid", x, frame.top, x, bottom);
    svg.text(x, bottom + 18, "middle", values.label(values.tick_value(i)));
  }
  svg.text(values.at((values.low + values.high) / 2), frame.height - 14, "middle", across);
  double y = frame.top;
  for (const Bar& bar : bars) {
    svg.text(frame.left - 8, y + 15, "end", bar.name);
    if (std::isfinite(bar.value)) {
      svg.box(fmt::format("d{}", bar.group % kColours), frame.left, y + 3, values.at(bar.value),
              y + kBar - 3);
      svg.text(values.at(bar.value) + 6, y + 15, "start", fmt::format("{:.3g}", bar.value),
               "small");
    }
    y += kBar;
  }
  return svg.finish(title, style());
}

}  // namespace issun::measure::lab
