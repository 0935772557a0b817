#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "measure/lab/plot.h"
#include "measure/lab/sections.h"
#include "quantize/lab/grid.h"
#include "quantize/lab/range.h"

namespace issun::measure::lab {

using namespace quantize::lab;

namespace {

struct Clip {
  std::string name;
  double at;
};

// The clips that are chosen once for all values.
std::vector<Clip> clips_of(const Sample& sample, int levels) {
  return {{"min-max", largest_magnitude(sample.values)},
          {"percentile 99.99", percentile_clip(sample.values, 0.9999)},
          {"percentile 99.9", percentile_clip(sample.values, 0.999)},
          {"percentile 99", percentile_clip(sample.values, 0.99)},
          {"KL (entropy)", kl_clip(sample.values, levels)},
          {"MSE (search)", mse_clip(sample.values, sample.weights, levels)}};
}

double share_beyond(const Sample& sample, double clip) {
  const auto beyond = std::count_if(sample.values.begin(), sample.values.end(),
                                    [&](float x) { return std::fabs(x) > clip; });
  return static_cast<double>(beyond) / static_cast<double>(sample.values.size());
}

Loss measure_clip(const Sample& sample, double clip, int levels) {
  const Grid grid = symmetric(clip, levels);
  return round_groups(sample, {Granularity::Kind::Tensor},
                      {.code_bits = std::log2(levels), .group_bits = kScaleBits},
                      [&](auto) { return grid; });
}

constexpr int kGroupSteps = 30;  // of the search in a group

Loss measure_groups(const Sample& sample, const Granularity& granularity, int levels, bool search) {
  return round_groups(
      sample, granularity, {.code_bits = std::log2(levels), .group_bits = kScaleBits},
      [&](std::span<const float> group) {
        if (!search) return symmetric(largest_magnitude(group), levels);
        const std::span<const float> weights =
            sample.weighted()
                ? sample.weights.subspan(static_cast<size_t>(group.data() - sample.values.data()),
                                         group.size())
                : std::span<const float>();
        return symmetric(mse_clip(group, weights, levels, kGroupSteps), levels);
      });
}

Picture trade_off(const std::string& name, const Sample& sample, int bits) {
  constexpr int kSteps = 60;
  const double largest = largest_magnitude(sample.values);
  double squares = 0, weight = 0;
  for (size_t i = 0; i < sample.values.size(); ++i) {
    const double w = sample.weighted() ? sample.weights[i] : 1, x = sample.values[i];
    squares += w * x * x;
    weight += w;
  }
  Series rounding{.name = "rounding inside", .points = {}, .dots = false, .labels = {}};
  Series clipping{.name = "cutting off", .points = {}, .dots = false, .labels = {}};
  Series both{.name = "both", .points = {}, .dots = false, .labels = {}};
  const auto percent = [&](double error) {
    return squares > 0 ? 100 * std::sqrt(error * weight / squares) : 0;
  };
  for (const ClipError& e : clip_errors(sample.values, sample.weights, 1 << bits, kSteps)) {
    if (largest == 0) break;
    const double share = 100 * e.clip / largest;
    rounding.points.push_back({share, percent(e.rounding)});
    clipping.points.push_back({share, percent(e.clipping)});
    both.points.push_back({share, percent(e.total())});
  }
  std::vector<Mark> marks;
  for (const Clip& clip : clips_of(sample, 1 << bits)) {
    if (largest > 0) marks.push_back({100 * clip.at / largest, clip.name});
  }
  return {
      plot_svg({.title = fmt::format("Where to clip, {} bits, one scale: {}", bits, name),
                .across = "clip, % of the largest magnitude",
                .up = "error, % of the values' RMS",
                .series = {rounding, clipping, both},
                .marks = marks,
                .from_zero = true}),
      "A narrow range rounds finely and cuts off much; a wide one cuts off nothing and rounds "
      "coarsely. The best place is between, and nearer to the middle the fewer bits there are."};
}

}  // namespace

Section range_section(const Subject& subject) {
  const Sample sample = subject.matrix.sample();
  Section section{.id = "ranges",
                  .title = "Where to clip the weights",
                  .subject = subject.name(),
                  .words = {},
                  .tables = {},
                  .pictures = {}};
  section.words = {
      "A range decides what the outermost level is. Min-max: the largest magnitude, nothing is cut "
      "off. Percentile: so many values in a hundred stay inside. KL: the clip at which the "
      "histogram "
      "of rounded values is nearest to that of the values (entropy calibration). MSE: the clip of "
      "the least squared error, found by trying.",
      "With one scale for all, clipping helps much at few bits. With a scale for each block of 32 "
      "there are hardly any outliers left to cut off, but a search still finds better scales. KL "
      "asks how many values go where and not how far they are off: where tails are heavy it may "
      "cut "
      "off what counts most."};
  Table table{
      .id = "ranges",
      .caption =
          "Symmetric grids. Clip: % of the largest magnitude; beyond: % of values cut "
          "off",
      .columns = {{"bits", 0}, {"scale for", 0}, {"range", 0}, {"clip %", 2}, {"beyond %", 4}},
      .rows = {}};
  add_loss_columns(sample.weighted(), &table.columns);
  const double largest = largest_magnitude(sample.values);
  for (const int bits : {4, 8}) {
    const int levels = 1 << bits;
    for (const Clip& clip : clips_of(sample, levels)) {
      table.rows.push_back({fmt::format("{}", bits), "tensor", clip.name,
                            largest > 0 ? 100 * clip.at / largest : NAN,
                            100 * share_beyond(sample, clip.at)});
      add_loss_cells(measure_clip(sample, clip.at, levels), sample.weighted(), &table.rows.back());
    }
    for (const auto& [what, granularity] :
         {std::pair{"channel", Granularity{Granularity::Kind::Row}},
          std::pair{"block of 32", Granularity{Granularity::Kind::Group, 32}}}) {
      for (const bool search : {false, true}) {
        table.rows.push_back(
            {fmt::format("{}", bits), what, search ? "MSE (search)" : "min-max", NAN, NAN});
        add_loss_cells(measure_groups(sample, granularity, levels, search), sample.weighted(),
                       &table.rows.back());
      }
    }
  }
  section.tables.push_back(std::move(table));
  section.pictures.push_back(trade_off(subject.name(), sample, 4));
  return section;
}

namespace {

// The range of one token as a line, and the static ranges over it.
Picture token_picture(const std::string& name, const Sample& judged,
                      const std::vector<Clip>& clips) {
  constexpr int64_t kTokens = 400;
  Series tokens{.name = "each token's largest", .points = {}, .dots = false, .labels = {}};
  const int64_t count = std::min(kTokens, judged.rows());
  for (int64_t t = 0; t < count; ++t) {
    tokens.points.push_back({static_cast<double>(t), largest_magnitude(judged.values.subspan(
                                                         static_cast<size_t>(t * judged.columns),
                                                         static_cast<size_t>(judged.columns)))});
  }
  std::vector<Series> series{tokens};
  for (const Clip& clip : clips) {
    series.push_back({.name = "static: " + clip.name,
                      .points = {{0, clip.at}, {static_cast<double>(count - 1), clip.at}},
                      .dots = false,
                      .labels = {}});
  }
  return {plot_svg({.title = "Ranges from token to token: " + name,
                    .across = "token, after those that calibrated",
                    .up = "magnitude",
                    .series = series,
                    .from_zero = true}),
          "A static range is too wide for quiet tokens and cuts off loud ones. A dynamic range "
          "follows the curve, and costs a pass over the values at run time."};
}

}  // namespace

Section input_section(const Subject& subject) {
  Section section{.id = "inputs",
                  .title = "Static and dynamic ranges of activations",
                  .subject = "what " + subject.name() + " is multiplied with",
                  .words = {},
                  .tables = {},
                  .pictures = {}};
  section.words.push_back(
      "Weights are known beforehand; what they are multiplied with is not. A static range is "
      "measured once, on a calibration text, and costs nothing later. A dynamic range is taken "
      "from "
      "each token as it comes (a scale for the token, or for each 32 of its values, which is what "
      "issun does when it runs quantised weights).");
  if (subject.inputs == nullptr || subject.inputs->rows() < 2) {
    section.words.push_back(
        subject.inputs == nullptr
            ? "Left out: no text was given (--text FILE), and without one there are no activations "
              "to look at."
            : "Left out: this matrix met fewer than two rows while the text was read.");
    return section;
  }
  const InputRows& rows = *subject.inputs;
  const auto half = static_cast<size_t>(rows.rows() / 2 * rows.columns);
  const std::span<const float> all = rows.values;
  const Sample calibration{all.first(half), rows.columns, {}};
  const Sample judged{all.subspan(half), rows.columns, {}};
  section.words.push_back(
      fmt::format("The first {} rows calibrate the static ranges, the other {} judge all of them.",
                  calibration.rows(), judged.rows()));
  Table table{.id = "inputs",
              .caption =
                  "Symmetric grids on rows that did not calibrate. Beyond: % of values cut "
                  "off",
              .columns = {{"bits", 0}, {"when", 0}, {"range", 0}, {"beyond %", 4}},
              .rows = {}};
  add_loss_columns(false, &table.columns);
  for (const int bits : {4, 8}) {
    const int levels = 1 << bits;
    const auto add = [&](const char* when, const std::string& range, double beyond,
                         const Loss& loss) {
      table.rows.push_back({fmt::format("{}", bits), when, range, 100 * beyond});
      add_loss_cells(loss, false, &table.rows.back());
    };
    for (const Clip& clip : clips_of(calibration, levels))
      add("static", clip.name, share_beyond(judged, clip.at),
          measure_clip(judged, clip.at, levels));
    add("dynamic", "a token", 0, measure_groups(judged, {Granularity::Kind::Row}, levels, false));
    add("dynamic", "32 values of a token", 0,
        measure_groups(judged, {Granularity::Kind::Group, 32}, levels, false));
  }
  section.tables.push_back(std::move(table));
  section.pictures.push_back(token_picture(subject.name(), judged, clips_of(calibration, 256)));
  return section;
}

}  // namespace issun::measure::lab
