// Pictures of a report: some series over common axes, with a legend beside them.
#pragma once

#include <string>
#include <vector>

#include "base/svg.h"

namespace issun::measure::lab {

struct Series {
  std::string name;
  std::vector<PlotPoint> points;  // those that are no numbers are left out
  bool line = true, dots = true;
  std::vector<std::string> labels;  // of the dots; empty: none
};

// A place on the horizontal axis.
struct Mark {
  double at;
  std::string name;
};

struct Plot {
  std::string title, across, up;
  std::vector<Series> series;  // at most 8, told apart by colour
  std::vector<Mark> marks = {};
  bool from_zero = false;   // the vertical axis begins at 0
  bool named_rows = false;  // series i lies at height -i, where its name stands
};

std::string plot_svg(const Plot& plot);

// Lying bars, a name at each.
struct Bar {
  std::string name;
  double value;
  int group = 0;  // of its colour
};
std::string bars_svg(const std::string& title, const std::string& across,
                     const std::vector<Bar>& bars);

}  // namespace issun::measure::lab
