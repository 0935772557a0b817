#include "train/curve_svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/svg.h"

namespace issun::train {

namespace {

// Readable on both light and dark.
constexpr const char* kStyle =
    ".raw{stroke:#1f77b4;stroke-opacity:.3}.train{stroke:#1f77b4;stroke-width:2}"
    ".valid{stroke:#d62728;stroke-width:2}.dot{fill:#d62728}"
    "@media(prefers-color-scheme:dark){.raw,.train{stroke:#6db3f2}.valid{stroke:#ff8a80}"
    ".dot{fill:#ff8a80}}";

std::string tokens_label(double tokens) {
  if (tokens >= 1e9) return fmt::format("{:g}G", tokens * 1e-9);
  if (tokens >= 1e6) return fmt::format("{:g}M", tokens * 1e-6);
  if (tokens >= 1e3) return fmt::format("{:g}k", tokens * 1e-3);
  return fmt::format("{:g}", tokens);
}

// At most so many points, each the mean of its neighbours: more than a screen has dots only make
// the file large.
std::vector<PlotPoint> thinned(const std::vector<PlotPoint>& points) {
  constexpr size_t kMost = 1500;
  const size_t group = (points.size() + kMost - 1) / kMost;
  if (group <= 1) return points;
  std::vector<PlotPoint> thin;
  for (size_t i = 0; i < points.size(); i += group) {
    const size_t end = std::min(i + group, points.size());
    PlotPoint sum{0, 0};
    for (size_t k = i; k < end; ++k) {
      sum.x += points[k].x, sum.y += points[k].y;
    }
    const auto count = static_cast<double>(end - i);
    thin.push_back({sum.x / count, sum.y / count});
  }
  return thin;
}

// About a fiftieth of all rows, so that the shape of the curve stays.
double smoothing_rows(size_t rows) {
  return std::max(2.0, std::round(static_cast<double>(rows) / 50));
}

std::vector<PlotPoint> smoothed(const std::vector<PlotPoint>& points, double rows) {
  std::vector<PlotPoint> smooth;
  const double weight = 2 / (rows + 1);  // of an exponential mean over about so many rows
  double mean = 0, total = 0;            // total: of the weights so far, which begin below 1
  for (const PlotPoint& point : points) {
    mean += weight * (point.y - mean);
    total += weight * (1 - total);
    smooth.push_back({point.x, mean / total});
  }
  return smooth;
}

void legend(SvgPlot& plot, int row, const char* kind, std::string_view label) {
  const PlotFrame frame;
  const double y = frame.top + 16 + 20 * row, x = frame.width - frame.right - 290;
  plot.line(kind, x, y - 4, x + 28, y - 4);
  plot.text(x + 36, y, "start", label);
}

}  // namespace

std::string curve_svg(std::span<const CurveRow> rows, std::string_view title,
                      std::string_view target) {
  std::vector<PlotPoint> train, valid;
  double most_tokens = 1, least = INFINITY, most = -INFINITY;
  const auto add = [&](const CurveRow& row, double loss, std::vector<PlotPoint>* points) {
    if (!std::isfinite(loss)) return;
    points->push_back({static_cast<double>(row.tokens), loss});
    most_tokens = std::max(most_tokens, points->back().x);
    least = std::min(least, loss);
    most = std::max(most, loss);
  };
  for (const CurveRow& row : rows) {
    add(row, row.train_loss, &train);
    if (row.valid_loss) add(row, *row.valid_loss, &valid);
  }
  if (least > most) least = most = 0;
  const PlotFrame frame;
  SvgPlot plot(frame,
               PlotAxis(0, most_tokens, frame.left, frame.width - frame.left - frame.right, 8),
               PlotAxis(least, most, frame.height - frame.bottom,
                        frame.top + frame.bottom - frame.height, 6));
  const double rows_of_mean = smoothing_rows(train.size());
  plot.axes("tokens", fmt::format("loss (nats per {})", target), tokens_label);
  plot.curve("raw", thinned(train));
  plot.curve("train", thinned(smoothed(train, rows_of_mean)));
  plot.curve("valid", valid);
  plot.dots("dot", valid);
  legend(plot, 0, "train", fmt::format("train (exponential mean over {} rows)", rows_of_mean));
  legend(plot, 1, "raw", "train, each row");
  if (!valid.empty()) legend(plot, 2, "valid", "validation");
  return plot.finish(title, kStyle);
}

}  // namespace issun::train
