#include "base/svg_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace issun {

namespace {

constexpr double kWidth = 720, kHeight = 400;
constexpr double kLeft = 76, kRight = 24, kTop = 44, kBottom = 56;  // margins around the plot
constexpr double kLegendRow = 18;
constexpr int kColours = 8;

// The page's own background shows through; the colours are told apart by the colour-blind too
// (Okabe and Ito, 2008).
constexpr const char* kStyle =
    ".issun-plot text{font:12px sans-serif;fill:#222}.issun-plot .t{font-size:15px}"
    ".issun-plot .g{stroke:#8884}.issun-plot .a{stroke:#888}.issun-plot polyline{fill:none;"
    "stroke-width:2}.issun-plot .e{stroke-width:1.5}"
    ".issun-plot .c0{stroke:#0072b2;fill:#0072b2}.issun-plot .c1{stroke:#d55e00;fill:#d55e00}"
    ".issun-plot .c2{stroke:#009e73;fill:#009e73}.issun-plot .c3{stroke:#cc79a7;fill:#cc79a7}"
    ".issun-plot .c4{stroke:#e69f00;fill:#e69f00}.issun-plot .c5{stroke:#56b4e9;fill:#56b4e9}"
    ".issun-plot .c6{stroke:#8c6d31;fill:#8c6d31}.issun-plot .c7{stroke:#7f7f7f;fill:#7f7f7f}"
    ".issun-plot polyline.c{fill:none}"
    "@media(prefers-color-scheme:dark){.issun-plot text{fill:#ddd}"
    ".issun-plot .c0{stroke:#4ba3e3;fill:#4ba3e3}}";

std::string head(double height, std::string_view title) {
  return fmt::format(
      "<svg class=\"issun-plot\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:g} {1:g}\" "
      "width=\"{0:g}\" height=\"{1:g}\" role=\"img\">\n<title>{2}</title>\n<style>{3}</style>\n"
      "<text class=\"t\" x=\"{4:g}\" y=\"24\">{2}</text>\n",
      kWidth, height, escape_markup(title), kStyle, kLeft);
}

std::string line(std::string_view kind, double x1, double y1, double x2, double y2) {
  return fmt::format(
      "<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n", kind, x1,
      y1, x2, y2);
}

std::string text(double x, double y, std::string_view anchor, std::string_view words) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor,
                     escape_markup(words));
}

bool can_show(const Plot& plot, const PlotPoint& point) {
  const auto fits = [](PlotAxis::Scale scale, double value) {
    return std::isfinite(value) && (scale == PlotAxis::Scale::Linear || value > 0);
  };
  return fits(plot.x_scale, point.x) && fits(plot.y_scale, point.y);
}

struct Range {
  double least = INFINITY, most = -INFINITY;
  void include(double value) {
    least = std::min(least, value);
    most = std::max(most, value);
  }
};

// What of an interval around the point can be shown.
Range interval(const Plot& plot, const PlotPoint& point) {
  const double error = std::isfinite(point.error) ? std::abs(point.error) : 0;
  double low = point.y - error;
  if (plot.y_scale == PlotAxis::Scale::Log && low <= 0) low = point.y;
  return {low, point.y + error};
}

// The lines and words around the points.
std::string frame(const Plot& plot, const PlotAxis& across, const PlotAxis& up) {
  std::string out;
  const double bottom = kHeight - kBottom, right = kWidth - kRight;
  for (const double value : across.marks()) {
    const double x = across.at(value);
    out += line("g", x, kTop, x, bottom) + text(x, bottom + 18, "middle", short_number(value));
  }
  for (const double value : up.marks()) {
    const double y = up.at(value);
    out += line("g", kLeft, y, right, y) + text(kLeft - 8, y + 4, "end", short_number(value));
  }
  out += line("a", kLeft, kTop, kLeft, bottom) + line("a", kLeft, bottom, right, bottom);
  out += text((kLeft + right) / 2, kHeight - 16, "middle", plot.x_title);
  out += fmt::format(
      "<text transform=\"translate(18 {:.1f}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
      (kTop + bottom) / 2, escape_markup(plot.y_title));
  return out;
}

std::string draw(const Plot& plot, const PlotSeries& series, size_t colour, const PlotAxis& across,
                 const PlotAxis& up) {
  const std::string kind = fmt::format("c{}", colour % kColours);
  std::string out, way;
  for (const PlotPoint& point : series.points) {
    if (!can_show(plot, point)) continue;
    const double x = across.at(point.x), y = up.at(point.y);
    way += fmt::format("{:.1f},{:.1f} ", x, y);
    if (point.error != 0) {
      const Range range = interval(plot, point);
      const double low = up.at(range.least), high = up.at(range.most);
      out += line(kind + " e", x, low, x, high) + line(kind + " e", x - 4, low, x + 4, low) +
             line(kind + " e", x - 4, high, x + 4, high);
    }
    out += fmt::format("<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\"/>\n", kind, x, y);
    if (point.label.empty()) continue;
    const bool right = x < kWidth - 220;  // else the label would leave the drawing
    out += text(right ? x + 8 : x - 8, y - 6, right ? "start" : "end", point.label);
  }
  if (series.joined)
    out = fmt::format("<polyline class=\"{} c\" points=\"{}\"/>\n", kind, way) + out;
  return out;
}

}  // namespace

std::string escape_markup(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        if (static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\t') out += c;
    }
  }
  return out;
}

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

PlotAxis::PlotAxis(Scale scale, double least, double most, double begin, double end, bool from_zero)
    : scale_(scale), low_(least), high_(most), begin_(begin), end_(end) {
  if (scale_ == Scale::Linear) {
    if (from_zero) {
      low_ = std::min(0.0, low_);
      high_ = std::max(0.0, high_);
    }
    mark_linear(6);
  } else {
    mark_log();
  }
}

void PlotAxis::mark_linear(int wanted) {
  if (!(high_ > low_)) {
    const double around = std::max(std::abs(low_) * 0.1, 1e-9);
    low_ -= around;
    high_ += around;
  }
  const double step_wanted = (high_ - low_) / wanted;
  const double power = std::pow(10, std::floor(std::log10(step_wanted)));
  double step = power;
  for (const double factor : {1.0, 2.0, 5.0, 10.0}) {
    step = factor * power;
    if (step >= step_wanted * (1 - 1e-9)) break;
  }
  const double first = std::floor(low_ / step + 1e-9), last = std::ceil(high_ / step - 1e-9);
  low_ = first * step;
  high_ = last * step;
  for (double i = first; i <= last; ++i) marks_.push_back(i * step);
}

void PlotAxis::mark_log() {
  if (!(high_ > low_)) {
    low_ /= 2;
    high_ *= 2;
  }
  const double base = high_ / low_ > 1 << 10 ? 10 : 2;
  const double first = std::floor(std::log(low_) / std::log(base) + 1e-9);
  const double last = std::ceil(std::log(high_) / std::log(base) - 1e-9);
  low_ = std::pow(base, first);
  high_ = std::pow(base, last);
  for (double i = first; i <= last; ++i) marks_.push_back(std::pow(base, i));
}

double PlotAxis::at(double value) const {
  const double share = scale_ == Scale::Linear ? (value - low_) / (high_ - low_)
                                               : std::log(value / low_) / std::log(high_ / low_);
  return begin_ + share * (end_ - begin_);
}

std::string plot_svg(const Plot& plot) {
  Range x, y;
  for (const PlotSeries& series : plot.series) {
    for (const PlotPoint& point : series.points) {
      if (!can_show(plot, point)) continue;
      x.include(point.x);
      y.include(interval(plot, point).least);
      y.include(interval(plot, point).most);
    }
  }
  if (x.least > x.most) {
    return head(kTop + 40, plot.title) + text(kLeft, kTop + 16, "start", "no figures") + "</svg>\n";
  }
  const PlotAxis across(plot.x_scale, x.least, x.most, kLeft, kWidth - kRight);
  const PlotAxis up(plot.y_scale, y.least, y.most, kHeight - kBottom, kTop, plot.y_from_zero);
  std::string body = frame(plot, across, up);
  double height = kHeight;
  for (size_t i = 0; i < plot.series.size(); ++i) {
    body += draw(plot, plot.series[i], i, across, up);
    if (plot.series[i].name.empty()) continue;
    body += fmt::format("<circle class=\"c{}\" cx=\"{:g}\" cy=\"{:g}\" r=\"4\"/>\n", i % kColours,
                        kLeft + 4, height + 8) +
            text(kLeft + 16, height + 12, "start", plot.series[i].name);
    height += kLegendRow;
  }
  return head(height + (height > kHeight ? 8 : 0), plot.title) + body + "</svg>\n";
}

std::string bars_svg(std::string_view title, std::string_view unit,
                     const std::vector<PlotBar>& bars) {
  constexpr double kLabel = 250, kBar = 20, kGap = 8, kValue = 150;
  double most = 0;
  for (const PlotBar& bar : bars) {
    if (bar.value && std::isfinite(*bar.value)) most = std::max(most, *bar.value + bar.error);
  }
  const PlotAxis across(PlotAxis::Scale::Linear, 0, most > 0 ? most : 1, kLabel, kWidth - kValue,
                        true);
  std::string body;
  double y = kTop;
  for (size_t i = 0; i < bars.size(); ++i, y += kBar + kGap) {
    const PlotBar& bar = bars[i];
    body += text(kLabel - 8, y + 14, "end", bar.label);
    if (!bar.value || !std::isfinite(*bar.value)) {
      body += text(kLabel + 6, y + 14, "start", bar.note.empty() ? "no figure" : bar.note);
      continue;
    }
    const double end = across.at(std::max(0.0, *bar.value)), middle = y + kBar / 2;
    body += fmt::format(
        "<rect class=\"c{}\" fill-opacity=\".55\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" "
        "height=\"{:g}\"/>\n",
        i % kColours, kLabel, y, end - kLabel, kBar);
    double behind = end;
    if (bar.error > 0 && std::isfinite(bar.error)) {
      const double low = across.at(std::max(0.0, *bar.value - bar.error));
      behind = across.at(*bar.value + bar.error);
      body += line("a", low, middle, behind, middle) + line("a", low, y + 5, low, y + kBar - 5) +
              line("a", behind, y + 5, behind, y + kBar - 5);
    }
    std::string words = short_number(*bar.value);
    if (bar.error > 0) words += " ± " + short_number(bar.error);
    body += text(behind + 6, y + 14, "start", words);
  }
  const std::string whole = unit.empty() ? std::string(title) : fmt::format("{} ({})", title, unit);
  return head(y + 8, whole) + line("a", kLabel, kTop - 4, kLabel, y) + body + "</svg>\n";
}

}  // namespace issun
