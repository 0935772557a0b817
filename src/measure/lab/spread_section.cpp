#include <fmt/format.h>

#include <cmath>

#include "measure/lab/plot.h"
#include "measure/lab/sections.h"
#include "quantize/lab/moments.h"

namespace issun::measure::lab {

using namespace quantize::lab;

std::string Subject::name() const { return std::string(matrix.tensor.name); }

void add_loss_columns(bool weighted, std::vector<Column>* columns) {
  columns->push_back({"error %", 3});
  columns->push_back({"SQNR dB", 2});
  if (weighted) columns->push_back({"weighted error %", 3});
}

void add_loss_cells(const Loss& loss, bool weighted, std::vector<Cell>* row) {
  row->emplace_back(100 * loss.relative());
  row->emplace_back(loss.sqnr_db());
  if (weighted) row->emplace_back(100 * loss.weighted_relative());
}

namespace {

// Logarithms of the counts, since what matters is in the tails.
Picture histogram_picture(const std::string& name, std::span<const float> values,
                          const Moments& m) {
  constexpr int kBins = 80;
  const double reach = m.largest > 0 ? m.largest : 1;
  const std::vector<int64_t> counts = histogram(values, -reach, reach, kBins);
  const auto all = static_cast<double>(values.size());
  Series found{.name = "weights", .points = {}, .labels = {}};
  Series normal{.name = "a normal distribution", .points = {}, .dots = false, .labels = {}};
  for (int i = 0; i < kBins; ++i) {
    const double width = 2 * reach / kBins, x = -reach + width * (i + 0.5);
    const auto count = static_cast<double>(counts[static_cast<size_t>(i)]);
    found.points.push_back({x, count > 0 ? std::log10(count / all) : NAN});
    const double z = (x - m.mean) / m.deviation;
    const double share = width / m.deviation * std::exp(-z * z / 2) / std::sqrt(2 * M_PI);
    if (share * all >= 0.5) normal.points.push_back({x, std::log10(share)});
  }
  return {plot_svg({.title = "How the values are spread: " + name,
                    .across = "value",
                    .up = "log10 of the share in a bin",
                    .series = {found, normal}}),
          "Each step down is ten times fewer. What stands far out where the normal curve has long "
          "ended are outliers: a range that holds them is coarse for all others."};
}

}  // namespace

Section spread_section(const Subject& subject) {
  const std::span<const float> values = subject.matrix.values;
  const Moments m = moments_of(values);
  Section section{.id = "spread",
                  .title = "The tensor itself",
                  .subject = subject.name(),
                  .words = {},
                  .tables = {},
                  .pictures = {}};
  section.words.push_back(
      "How well few levels can stand for many values depends on how the values are spread. "
      "Kurtosis says how heavy the tails are: 1.8 where all values of a range are as frequent, 3 "
      "for the normal distribution, more where few values are far larger than the rest.");
  section.tables.push_back(
      {.id = "spread",
       .caption = "Of the values that were looked at",
       .columns = {{"quantity", 0}, {"value", -1}},
       .rows = {{"values", static_cast<double>(m.count)},
                {"mean", m.mean},
                {"root mean square (RMS)", m.rms},
                {"smallest", m.least},
                {"largest", m.most},
                {"largest magnitude / RMS", m.rms > 0 ? m.largest / m.rms : NAN},
                {"kurtosis", m.kurtosis},
                {"skewness", m.skewness},
                {"beyond 3 deviations, % (normal: 0.27)", 100 * m.beyond3},
                {"beyond 6 deviations, % (normal: 0.0000002)", 100 * m.beyond6},
                {"exactly zero, %", 100 * m.zeros}}});
  if (m.deviation > 0) section.pictures.push_back(histogram_picture(subject.name(), values, m));
  return section;
}

}  // namespace issun::measure::lab
