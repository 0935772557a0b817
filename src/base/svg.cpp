#include "base/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace issun {

namespace {

// The page's own background shows through.
constexpr const char* kStyle =
    "text{font:13px sans-serif;fill:#222}.title{font-size:16px}.small{font-size:11px}"
    ".grid{stroke:#8884}.axis{stroke:#888}polyline{fill:none}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}}";

}  // namespace

std::string xml_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (static_cast<unsigned char>(c) >= 0x20) {
      out += c;
    }
  }
  return out;
}

PlotAxis::PlotAxis(double least, double most, double from, double size, int ticks)
    : low(least), high(most), begin(from), length(size) {
  if (!(high > low)) {
    const double around = std::max(std::abs(low) * 0.1, 0.5);
    low -= around;
    high += around;
  }
  const double wanted = (high - low) / ticks;
  const double power = std::pow(10, std::floor(std::log10(wanted)));
  for (const double step : {1.0, 2.0, 5.0, 10.0}) {
    tick = step * power;
    if (tick >= wanted) break;
  }
  low = std::floor(low / tick) * tick;
  high = std::ceil(high / tick) * tick;
}

int PlotAxis::ticks() const { return static_cast<int>(std::lround((high - low) / tick)) + 1; }

std::string PlotAxis::label(double value) const {
  const int digits = std::max(0, static_cast<int>(-std::floor(std::log10(tick) + 1e-9)));
  return fmt::format("{:.{}f}", value, digits);
}

SvgPlot::SvgPlot(const PlotFrame& frame, PlotAxis across, PlotAxis up)
    : frame_(frame), across_(across), up_(up) {}

void SvgPlot::axes(std::string_view across_name, std::string_view up_name,
                   const Label& across_label, const Label& up_label) {
  const double right = frame_.width - frame_.right, bottom = frame_.height - frame_.bottom;
  for (int i = 0; i < across_.ticks(); ++i) {
    const double value = across_.tick_value(i), x = across_.at(value);
    line("grid", x, frame_.top, x, bottom);
    text(x, bottom + 18, "middle", across_label ? across_label(value) : across_.label(value));
  }
  for (int i = 0; i < up_.ticks(); ++i) {
    const double value = up_.tick_value(i), y = up_.at(value);
    line("grid", frame_.left, y, right, y);
    text(frame_.left - 8, y + 4, "end", up_label ? up_label(value) : up_.label(value));
  }
  line("axis", frame_.left, frame_.top, frame_.left, bottom);
  line("axis", frame_.left, bottom, right, bottom);
  text((frame_.left + right) / 2, frame_.height - 14, "middle", across_name);
  out_ += fmt::format(
      "<text transform=\"translate(18 {:.1f}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
      (frame_.top + bottom) / 2, xml_escaped(up_name));
}

void SvgPlot::curve(std::string_view kind, std::span<const PlotPoint> points) {
  if (points.empty()) return;
  out_ += fmt::format("<polyline class=\"{}\" points=\"", kind);
  for (const PlotPoint& p : points)
    out_ += fmt::format("{:.1f},{:.1f} ", across_.at(p.x), up_.at(p.y));
  out_ += "\"/>\n";
}

void SvgPlot::dots(std::string_view kind, std::span<const PlotPoint> points, double radius) {
  for (const PlotPoint& p : points) {
    out_ += fmt::format("<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\"/>\n", kind,
                        across_.at(p.x), up_.at(p.y), radius);
  }
}

void SvgPlot::line(std::string_view kind, double x1, double y1, double x2, double y2) {
  out_ +=
      fmt::format("<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n",
                  kind, x1, y1, x2, y2);
}

void SvgPlot::box(std::string_view kind, double x1, double y1, double x2, double y2) {
  out_ += fmt::format(
      "<rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>\n", kind,
      std::min(x1, x2), std::min(y1, y2), std::abs(x2 - x1), std::abs(y2 - y1));
}

void SvgPlot::text(double x, double y, std::string_view anchor, std::string_view words,
                   std::string_view kind) {
  out_ += fmt::format("<text{} x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n",
                      kind.empty() ? "" : fmt::format(" class=\"{}\"", kind), x, y, anchor,
                      xml_escaped(words));
}

std::string SvgPlot::finish(std::string_view title, std::string_view style) const {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\" role=\"img\">\n<title>{2}</title>\n<style>{3}{4}</style>\n"
      "<text class=\"title\" x=\"{5}\" y=\"28\">{2}</text>\n{6}</svg>\n",
      frame_.width, frame_.height, xml_escaped(title), kStyle, style, frame_.left, out_);
}

}  // namespace issun
