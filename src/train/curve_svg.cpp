#include "train/curve_svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace issun::train {

namespace {

constexpr double kWidth = 800, kHeight = 450;
constexpr double kLeft = 70, kRight = 20, kTop = 50, kBottom = 55;  // margins around the plot

struct Point {
  double tokens, loss;
};

// Readable on both: the page's own background shows through.
constexpr const char* kStyle =
    "text{font:13px sans-serif;fill:#222}.title{font-size:16px}.grid{stroke:#8884}"
    ".axis{stroke:#888}.raw{stroke:#1f77b4;stroke-opacity:.3}.train{stroke:#1f77b4;stroke-width:2}"
    ".valid{stroke:#d62728;stroke-width:2}.dot{fill:#d62728}polyline{fill:none}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.raw,.train{stroke:#6db3f2}"
    ".valid{stroke:#ff8a80}.dot{fill:#ff8a80}}";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '&') {
      out += "&amp;";
    } else if (static_cast<unsigned char>(c) >= 0x20) {
      out += c;
    }
  }
  return out;
}

// One axis: numbers to places, and round numbers for its ticks.
struct Axis {
  double low, high;      // shown
  double begin, length;  // in the drawing
  double tick;           // between two

  Axis(double least, double most, double from, double size, int ticks)
      : low(least), high(most), begin(from), length(size), tick(0) {
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
  double at(double value) const { return begin + (value - low) / (high - low) * length; }
  int ticks() const { return static_cast<int>(std::lround((high - low) / tick)) + 1; }
  double tick_value(int i) const { return low + i * tick; }
};

std::string tokens_label(double tokens) {
  if (tokens >= 1e9) return fmt::format("{:g}G", tokens * 1e-9);
  if (tokens >= 1e6) return fmt::format("{:g}M", tokens * 1e-6);
  if (tokens >= 1e3) return fmt::format("{:g}k", tokens * 1e-3);
  return fmt::format("{:g}", tokens);
}

// At most so many points, each the mean of its neighbours: more than a screen has dots only make
// the file large.
std::vector<Point> thinned(const std::vector<Point>& points) {
  constexpr size_t kMost = 1500;
  const size_t group = (points.size() + kMost - 1) / kMost;
  if (group <= 1) return points;
  std::vector<Point> thin;
  for (size_t i = 0; i < points.size(); i += group) {
    const size_t end = std::min(i + group, points.size());
    Point sum{0, 0};
    for (size_t k = i; k < end; ++k) {
      sum.tokens += points[k].tokens, sum.loss += points[k].loss;
    }
    const auto count = static_cast<double>(end - i);
    thin.push_back({sum.tokens / count, sum.loss / count});
  }
  return thin;
}

// About a fiftieth of all rows, so that the shape of the curve stays.
double smoothing_rows(size_t rows) {
  return std::max(2.0, std::round(static_cast<double>(rows) / 50));
}

std::vector<Point> smoothed(const std::vector<Point>& points, double rows) {
  std::vector<Point> smooth;
  const double weight = 2 / (rows + 1);  // of an exponential mean over about so many rows
  double mean = 0, total = 0;            // total: of the weights so far, which begin below 1
  for (const Point& point : points) {
    mean += weight * (point.loss - mean);
    total += weight * (1 - total);
    smooth.push_back({point.tokens, mean / total});
  }
  return smooth;
}

class Drawing {
 public:
  Drawing(Axis across, Axis up) : across_(across), up_(up) {}

  void axes(std::string_view target) {
    for (int i = 0; i < across_.ticks(); ++i) {
      const double value = across_.tick_value(i), x = across_.at(value);
      line("grid", x, kTop, x, kHeight - kBottom);
      text(x, kHeight - kBottom + 18, "middle", tokens_label(value));
    }
    const int digits = std::max(0, static_cast<int>(-std::floor(std::log10(up_.tick) + 1e-9)));
    for (int i = 0; i < up_.ticks(); ++i) {
      const double value = up_.tick_value(i), y = up_.at(value);
      line("grid", kLeft, y, kWidth - kRight, y);
      text(kLeft - 8, y + 4, "end", fmt::format("{:.{}f}", value, digits));
    }
    line("axis", kLeft, kTop, kLeft, kHeight - kBottom);
    line("axis", kLeft, kHeight - kBottom, kWidth - kRight, kHeight - kBottom);
    text((kLeft + kWidth - kRight) / 2, kHeight - 14, "middle", "tokens");
    out += fmt::format(
        "<text transform=\"translate(18 {:.1f}) rotate(-90)\" "
        "text-anchor=\"middle\">loss (nats per {})</text>\n",
        (kTop + kHeight - kBottom) / 2, escaped(target));
  }
  void curve(const char* kind, const std::vector<Point>& points) {
    if (points.empty()) return;
    out += fmt::format("<polyline class=\"{}\" points=\"", kind);
    for (const Point& p : points) {
      out += fmt::format("{:.1f},{:.1f} ", across_.at(p.tokens), up_.at(p.loss));
    }
    out += "\"/>\n";
  }
  void dots(const std::vector<Point>& points) {
    for (const Point& p : points) {
      out += fmt::format("<circle class=\"dot\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.5\"/>\n",
                         across_.at(p.tokens), up_.at(p.loss));
    }
  }
  void legend(int row, const char* kind, std::string_view label) {
    const double y = kTop + 16 + 20 * row, x = kWidth - kRight - 290;
    line(kind, x, y - 4, x + 28, y - 4);
    text(x + 36, y, "start", label);
  }
  void line(const char* kind, double x1, double y1, double x2, double y2) {
    out += fmt::format(
        "<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n", kind, x1,
        y1, x2, y2);
  }
  void text(double x, double y, const char* anchor, std::string_view words) {
    out += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y,
                       anchor, escaped(words));
  }

  std::string out;

 private:
  Axis across_, up_;
};

}  // namespace

std::string curve_svg(std::span<const CurveRow> rows, std::string_view title,
                      std::string_view target) {
  std::vector<Point> train, valid;
  double most_tokens = 1, least = INFINITY, most = -INFINITY;
  const auto add = [&](const CurveRow& row, double loss, std::vector<Point>* points) {
    if (!std::isfinite(loss)) return;
    points->push_back({static_cast<double>(row.tokens), loss});
    most_tokens = std::max(most_tokens, points->back().tokens);
    least = std::min(least, loss);
    most = std::max(most, loss);
  };
  for (const CurveRow& row : rows) {
    add(row, row.train_loss, &train);
    if (row.valid_loss) add(row, *row.valid_loss, &valid);
  }
  if (least > most) least = most = 0;
  Drawing drawing(Axis(0, most_tokens, kLeft, kWidth - kLeft - kRight, 8),
                  Axis(least, most, kHeight - kBottom, kTop + kBottom - kHeight, 6));
  const double rows_of_mean = smoothing_rows(train.size());
  drawing.axes(target);
  drawing.curve("raw", thinned(train));
  drawing.curve("train", thinned(smoothed(train, rows_of_mean)));
  drawing.curve("valid", valid);
  drawing.dots(valid);
  drawing.legend(0, "train", fmt::format("train (exponential mean over {} rows)", rows_of_mean));
  drawing.legend(1, "raw", "train, each row");
  if (!valid.empty()) drawing.legend(2, "valid", "validation");
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\" role=\"img\">\n<title>{2}</title>\n<style>{3}</style>\n"
      "<text class=\"title\" x=\"{4}\" y=\"28\">{2}</text>\n{5}</svg>\n",
      kWidth, kHeight, escaped(title), kStyle, kLeft, drawing.out);
}

}  // namespace issun::train
