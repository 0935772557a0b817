#include "experts/picture.h"

#include <algorithm>
#include <cmath>

#include "base/svg.h"

namespace issun::experts {

namespace {

constexpr int kMostPictureColumns = 120, kMostPictureRows = 400, kShades = 9;
constexpr double kPanel = 520, kBetween = 40, kGap = 3;  // widths; between layers

constexpr const char* kStyle =
    ".room{fill:#8882}"
    ".u1{fill:#dbe9f6}.u2{fill:#bad6eb}.u3{fill:#89bedc}.u4{fill:#539ecd}.u5{fill:#2b7bba}"
    ".u6{fill:#0b559f}.u7{fill:#08306b}.u8{fill:#051c40}"
    ".h0{fill:#b35806}.h1{fill:#d9730d}.h2{fill:#f1a340}.h3{fill:#fdc98a}.h4{fill:#d8daeb}"
    ".h5{fill:#a8ddb5}.h6{fill:#66c2a4}.h7{fill:#2ca25f}.h8{fill:#006d2c}"
    "@media(prefers-color-scheme:dark){.u1{fill:#12283c}.u2{fill:#163a5c}.u3{fill:#1f5686}"
    ".u4{fill:#2b7bba}.u5{fill:#539ecd}.u6{fill:#89bedc}.u7{fill:#bad6eb}.u8{fill:#f0f7ff}}";

struct Cell {
  double tokens = 0;
  int64_t hits = 0, misses = 0;
};

// The cells of all layers, row above row.
class Grid {
 public:
  Grid(const Trace& trace, int batches) : batches_(batches) {
    columns_ = std::clamp(batches, 1, kMostPictureColumns);
    int64_t experts = 0;
    for (const int of_layer : trace.header.experts) experts += of_layer;
    experts_a_row_ = static_cast<int>((experts + kMostPictureRows - 1) / kMostPictureRows);
    int rows = 0;
    for (const int of_layer : trace.header.experts) {
      first_row_.push_back(rows);
      rows += (of_layer + experts_a_row_ - 1) / experts_a_row_;
    }
    first_row_.push_back(rows);
    cells_.resize(static_cast<size_t>(rows) * static_cast<size_t>(columns_));
  }

  int columns() const { return columns_; }
  int experts_a_row() const { return experts_a_row_; }
  int first_row(int layer) const { return first_row_[static_cast<size_t>(layer)]; }
  int rows() const { return first_row_.back(); }
  int column(int batch) const {
    return static_cast<int>(int64_t{batch} * columns_ / std::max(1, batches_));
  }
  Cell& cell(int row, int column) {
    return cells_[static_cast<size_t>(row) * static_cast<size_t>(columns_) +
                  static_cast<size_t>(column)];
  }
  Cell& cell_of(int layer, int unit, int batch) {
    return cell(first_row(layer) + unit / experts_a_row_, column(batch));
  }

 private:
  int batches_, columns_ = 1, experts_a_row_ = 1;
  std::vector<int> first_row_;  // of each layer, and behind the last
  std::vector<Cell> cells_;
};

Grid grid_of(const Trace& trace, const Visits& visits, Contender contender,
             std::span<const int> slots) {
  Grid grid(trace, visits.batches);
  std::vector<double> tokens(static_cast<size_t>(grid.columns()));  // of all batches of a column
  for (int b = 0; b < visits.batches; ++b)
    tokens[static_cast<size_t>(grid.column(b))] += visits.rows[static_cast<size_t>(b)];
  for (int l = 0; l < trace.header.mixture_layers(); ++l) {
    const LayerVisits& layer = visits.layers[static_cast<size_t>(l)];
    for (int b = 0; b < visits.batches; ++b) {
      for (auto i = static_cast<size_t>(layer.begin[static_cast<size_t>(b)]);
           i < static_cast<size_t>(layer.begin[static_cast<size_t>(b) + 1]); ++i)
        grid.cell_of(l, layer.unit[i], b).tokens +=
            layer.tokens[i] / tokens[static_cast<size_t>(grid.column(b))];
    }
  }
  const std::vector<uint8_t> counted = count_all(trace);
  replay(visits, contender, {slots, counted, [&](const ReplayVisit& visit) {
                               Cell& cell = grid.cell_of(visit.layer, visit.unit, visit.batch);
                               ++(visit.hit ? cell.hits : cell.misses);
                             }});
  return grid;
}

class Drawing {
 public:
  Drawing(Grid& grid, const Trace& trace)
      : grid_(grid),
        layers_(trace.header.mixture_layers()),
        row_height_(std::clamp(760.0 / grid.rows(), 1.0, 14.0)),
        frame_{.width = 70 + 2 * kPanel + kBetween + 20,
               .height = 80 + row_height_ * grid.rows() + kGap * layers_ + 70,
               .left = 70,
               .right = 20,
               .top = 80,
               .bottom = 70},
        plot_(frame_, PlotAxis(0, 1, 0, 1, 1), PlotAxis(0, 1, 0, 1, 1)) {}

  std::string draw(const Trace& trace, const std::string& title, std::string_view cache) {
    plot_.text(left(0), 66, "start", "share of the tokens that used it");
    plot_.text(left(1), 66, "start", cache);
    double most = 0;
    for (int row = 0; row < grid_.rows(); ++row) {
      for (int c = 0; c < grid_.columns(); ++c) most = std::max(most, grid_.cell(row, c).tokens);
    }
    for (int l = 0; l < layers_; ++l) draw_layer(trace, l, most);
    draw_legend(most);
    return plot_.finish(title, kStyle);
  }

 private:
  double left(int panel) const { return frame_.left + panel * (kPanel + kBetween); }
  double top(int layer, int row) const { return frame_.top + row * row_height_ + layer * kGap; }

  // 0: nothing to show; shades of the two panels else, the second from its own 0.
  static int use_shade(const Cell& cell, double most) {
    if (cell.tokens <= 0 || most <= 0) return 0;
    return 1 + static_cast<int>(std::sqrt(cell.tokens / most) * (kShades - 2) + 0.5);
  }
  static int hit_shade(const Cell& cell) {
    const int64_t visits = cell.hits + cell.misses;
    if (visits == 0) return 0;
    return 1 + static_cast<int>(cell.hits * (kShades - 1) / visits);
  }
  static std::string kind(int panel, int shade) {
    return panel == 0 ? fmt::format("u{}", std::min(shade, kShades - 1))
                      : fmt::format("h{}", shade - 1);
  }

  void draw_layer(const Trace& trace, int l, double most) {
    const int first = grid_.first_row(l), end = grid_.first_row(l + 1);
    for (int panel = 0; panel < 2; ++panel) {
      plot_.box("room", left(panel), top(l, first), left(panel) + kPanel, top(l, end));
      for (int row = first; row < end; ++row) draw_row(panel, l, row, most);
    }
    // As many labels as there is room for.
    const double height = (top(layers_, grid_.rows()) - frame_.top) / layers_;
    const int every = std::max(1, static_cast<int>(std::ceil(13 / height)));
    if (l % every == 0)
      plot_.text(frame_.left - 8, (top(l, first) + top(l, end)) / 2 + 4, "end",
                 fmt::format("layer {}", trace.header.layers[static_cast<size_t>(l)]), "small");
  }

  // Neighbours of one shade are one box.
  void draw_row(int panel, int l, int row, double most) {
    const double width = kPanel / grid_.columns();
    const auto shade = [&](int c) {
      if (c == grid_.columns()) return -1;
      return panel == 0 ? use_shade(grid_.cell(row, c), most) : hit_shade(grid_.cell(row, c));
    };
    for (int begin = 0; begin < grid_.columns();) {
      int end = begin + 1;
      while (shade(end) == shade(begin)) ++end;
      if (shade(begin) > 0)
        plot_.box(kind(panel, shade(begin)), left(panel) + begin * width, top(l, row),
                  left(panel) + end * width, top(l, row) + row_height_);
      begin = end;
    }
  }

  void draw_legend(double most) {
    const double y = top(layers_, grid_.rows()) + 16;
    for (int panel = 0; panel < 2; ++panel) {
      plot_.text(left(panel), y + 4, "start", "first batch", "small");
      plot_.text(left(panel) + kPanel, y + 4, "end", "last batch", "small");
      const int shades = panel == 0 ? kShades - 1 : kShades;
      const double x = left(panel) + 90;
      for (int shade = 1; shade <= shades; ++shade)
        plot_.box(kind(panel, shade), x + shade * 22, y + 18, x + shade * 22 + 22, y + 30);
      plot_.text(x + 16, y + 29, "end", panel == 0 ? "seldom" : "all missed", "small");
      plot_.text(x + (shades + 1) * 22 + 6, y + 29, "start",
                 panel == 0 ? fmt::format("{:.0f} %", 100 * most) : "all hit", "small");
    }
  }

  Grid& grid_;
  const int layers_;
  const double row_height_;
  const PlotFrame frame_;
  SvgPlot plot_;
};

}  // namespace

std::string replay_picture(const Trace& trace, const Visits& visits, Contender contender,
                           std::span<const int> slots) {
  Grid grid = grid_of(trace, visits, contender, slots);
  int64_t held = 0, all = 0;
  for (size_t l = 0; l < slots.size(); ++l) {
    held += std::min(slots[l], trace.header.experts[l]);
    all += trace.header.experts[l];
  }
  const std::string rows = grid.experts_a_row() == 1
                               ? "a row an expert"
                               : fmt::format("a row {} experts", grid.experts_a_row());
  return Drawing(grid, trace)
      .draw(trace, fmt::format("{}: experts over time, {}", trace.header.model, rows),
            fmt::format("visits that found it in memory: {}, {} of {} experts", name(contender),
                        held, all));
}

}  // namespace issun::experts
