#include "measure/study/charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/svg.h"

namespace issun::measure {

namespace {

constexpr double kLegendRow = 18;
constexpr size_t kColours = 8;

// Told apart by the colour-blind too (Okabe and Ito, 2008).
constexpr const char* kChartStyle =
    ".c0{stroke:#0072b2;fill:#0072b2}.c1{stroke:#d55e00;fill:#d55e00}"
    ".c2{stroke:#009e73;fill:#009e73}.c3{stroke:#cc79a7;fill:#cc79a7}"
    ".c4{stroke:#e69f00;fill:#e69f00}.c5{stroke:#56b4e9;fill:#56b4e9}"
    ".c6{stroke:#8c6d31;fill:#8c6d31}.c7{stroke:#7f7f7f;fill:#7f7f7f}"
    "polyline{stroke-width:2;fill:none!important}rect{fill-opacity:.5}.whisker{stroke-width:1.5}"
    "@media(prefers-color-scheme:dark){.c0{stroke:#4ba3e3;fill:#4ba3e3}}";

std::string colour(size_t series) { return fmt::format("c{}", series % kColours); }

struct Range {
  double least = std::numeric_limits<double>::infinity(), most = -least;
  void include(double value) {
    least = std::min(least, value);
    most = std::max(most, value);
  }
  bool empty() const { return least > most; }
};

bool can_show(const Chart& chart, const ChartPoint& point) {
  return std::isfinite(point.x) && std::isfinite(point.y) && std::isfinite(point.error) &&
         (chart.x_scale == Scale::Linear || point.x > 0);
}

// The series as they are drawn: on a Doubling scale by their logarithms.
std::vector<ChartSeries> shown(const Chart& chart) {
  std::vector<ChartSeries> all = chart.series;
  for (ChartSeries& series : all) {
    std::erase_if(series.points, [&](const ChartPoint& point) { return !can_show(chart, point); });
    for (ChartPoint& point : series.points) {
      if (chart.x_scale == Scale::Doubling) point.x = std::log2(point.x);
    }
  }
  return all;
}

PlotAxis axis_across(const Chart& chart, Range range, const PlotFrame& frame) {
  int ticks = 6;
  if (chart.x_scale == Scale::Doubling) {  // whole powers
    range = {std::floor(range.least + 1e-9), std::ceil(range.most - 1e-9)};
    if (range.least == range.most) range.most += 1;
    ticks = static_cast<int>(range.most - range.least);
  }
  return PlotAxis(range.least, range.most, frame.left, frame.width - frame.left - frame.right,
                  ticks);
}

// Of the interval; one that reaches below 0 ends there where nothing can be below.
double lower_end(const Chart& chart, const ChartPoint& point) {
  const double low = point.y - point.error;
  return chart.y_from_zero && point.y >= 0 ? std::max(0.0, low) : low;
}

void draw(const Chart& chart, const ChartSeries& series, const std::string& kind,
          const PlotFrame& frame, SvgPlot& plot) {
  std::vector<PlotPoint> places;
  for (const ChartPoint& point : series.points) places.push_back({point.x, point.y});
  if (series.joined) plot.curve(kind, places);
  plot.dots(kind, places, 4);
  for (const ChartPoint& point : series.points) {
    const double x = plot.across().at(point.x), y = plot.up().at(point.y);
    if (point.error > 0) {
      const double low = plot.up().at(lower_end(chart, point)),
                   high = plot.up().at(point.y + point.error);
      const std::string whisker = kind + " whisker";
      plot.line(whisker, x, low, x, high);
      plot.line(whisker, x - 4, low, x + 4, low);
      plot.line(whisker, x - 4, high, x + 4, high);
    }
    if (point.label.empty()) continue;
    const bool right = x < frame.width - 260;  // else the label would leave the drawing
    plot.text(right ? x + 8 : x - 8, y - 6, right ? "start" : "end", point.label, "small");
  }
}

}  // namespace

std::string short_number(double value) {
  if (!std::isfinite(value)) return "no number";
  if (value == 0) return "0";
  const double size = std::abs(value);
  if (size >= 1e15 || size < 1e-4) return fmt::format("{:.3g}", value);
  // As many decimals as four digits leave behind the point.
  const int decimals = std::max(0, 3 - static_cast<int>(std::floor(std::log10(size))));
  std::string digits = fmt::format("{:.{}f}", value, decimals);
  if (digits.find('.') != std::string::npos) {
    digits.erase(digits.find_last_not_of('0') + 1);
    if (digits.back() == '.') digits.pop_back();
  }
  return digits;
}

std::string chart_svg(const Chart& chart) {
  const std::vector<ChartSeries> all = shown(chart);
  Range x, y;
  size_t named = 0;
  for (const ChartSeries& series : all) {
    named += series.points.empty() || series.name.empty() ? 0 : 1;
    for (const ChartPoint& point : series.points) {
      x.include(point.x);
      y.include(lower_end(chart, point));
      y.include(point.y + point.error);
    }
  }
  if (x.empty()) return "";
  if (chart.y_from_zero) y.include(0);
  PlotFrame frame;
  frame.bottom += kLegendRow * static_cast<double>(named);
  frame.height += kLegendRow * static_cast<double>(named);
  SvgPlot plot(frame, axis_across(chart, x, frame),
               PlotAxis(y.least, y.most, frame.height - frame.bottom,
                        frame.top + frame.bottom - frame.height, 6));
  const auto power = [](double value) { return short_number(std::exp2(value)); };
  plot.axes("", chart.y_title, chart.x_scale == Scale::Doubling ? SvgPlot::Label(power) : nullptr);
  double row = frame.height - frame.bottom + 36;
  plot.text(frame.width / 2, row, "middle", chart.x_title);
  for (size_t i = 0; i < all.size(); ++i) {
    draw(chart, all[i], colour(i), frame, plot);
    if (all[i].points.empty() || all[i].name.empty()) continue;
    row += kLegendRow;
    plot.box(colour(i), frame.left, row - 9, frame.left + 18, row);
    plot.text(frame.left + 26, row, "start", all[i].name);
  }
  return plot.finish(chart.title, kChartStyle);
}

std::string bars_svg(std::string_view title, std::string_view unit, const std::vector<Bar>& bars) {
  constexpr double kBar = 20, kGap = 8;
  double most = 0;
  bool any = false;
  for (const Bar& bar : bars) {
    if (!bar.value || !std::isfinite(*bar.value)) continue;
    any = true;
    most = std::max(most, *bar.value + bar.error);
  }
  if (!any) return "";
  PlotFrame frame{.left = 270, .right = 150, .top = 46, .bottom = 12};
  frame.height = frame.top + frame.bottom + (kBar + kGap) * static_cast<double>(bars.size());
  const PlotAxis across(0, most > 0 ? most : 1, frame.left, frame.width - frame.left - frame.right,
                        6);
  SvgPlot plot(frame, across, across);
  double y = frame.top;
  for (size_t i = 0; i < bars.size(); ++i, y += kBar + kGap) {
    const Bar& bar = bars[i];
    plot.text(frame.left - 8, y + 15, "end", bar.label, "small");
    if (!bar.value || !std::isfinite(*bar.value)) {
      plot.text(frame.left + 6, y + 15, "start", bar.note.empty() ? "no figure" : bar.note,
                "small");
      continue;
    }
    double end = across.at(std::max(0.0, *bar.value));
    plot.box(colour(i), frame.left, y, end, y + kBar);
    std::string words = short_number(*bar.value);
    if (bar.error > 0 && std::isfinite(bar.error)) {
      const double low = across.at(std::max(0.0, *bar.value - bar.error)), middle = y + kBar / 2;
      end = across.at(*bar.value + bar.error);
      plot.line("axis", low, middle, end, middle);
      plot.line("axis", low, y + 5, low, y + kBar - 5);
      plot.line("axis", end, y + 5, end, y + kBar - 5);
      words += " ± " + short_number(bar.error);
    }
    plot.text(end + 6, y + 15, "start", words, "small");
  }
  plot.line("axis", frame.left, frame.top - 4, frame.left, y);
  return plot.finish(unit.empty() ? std::string(title) : fmt::format("{} ({})", title, unit),
                     kChartStyle);
}

}  // namespace issun::measure
