#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "measure/lab/plot.h"
#include "measure/lab/sections.h"
#include "quantize/lab/rescale.h"

namespace issun::measure::lab {

using namespace quantize::lab;

namespace {

constexpr int64_t kMostIntegerRows = 64, kMostIntegerTokens = 64, kMostIntegerColumns = 1 << 17;
constexpr int kMultiplierBits[] = {2, 3, 4, 6, 8, 12, 16, 24, 31};

// Normally distributed, the same on every machine (Box and Muller 1958).
std::vector<float> normal_values(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto uniform = [&] { return (static_cast<double>(random() >> 11) + 0.5) * 0x1p-53; };
  std::vector<float> values(n);
  for (float& x : values) {
    const double radius = std::sqrt(-2 * std::log(uniform()));
    x = static_cast<float>(radius * std::cos(2 * M_PI * uniform()));
  }
  return values;
}

}  // namespace

Section integer_section(const Subject& subject) {
  Section section{.id = "integers",
                  .title = "Whole numbers alone",
                  .subject = subject.name(),
                  .words = {},
                  .tables = {},
                  .pictures = {}};
  section.words.push_back(
      "Codes of 8 bits times codes of 8 bits, summed in 32 bits, give a whole number that has to "
      "become a code of 8 bits again: times (weight scale x input scale / output scale). On a "
      "machine without floats that factor is a whole multiplier and a shift (a dyadic number): "
      "(sum x multiplier + half) >> shift, in 64 bits. The table compares it with the same factor "
      "as a float; a multiplier of 31 bits is what programs use.");
  const int64_t columns = subject.matrix.columns;
  if (columns > kMostIntegerColumns) {
    section.words.push_back(fmt::format(
        "Left out: rows of {} values, whose sums may need more than 32 bits.", columns));
    return section;
  }
  const auto width = static_cast<size_t>(columns);
  const int64_t rows = std::min(kMostIntegerRows, subject.matrix.rows());
  const bool real = subject.inputs != nullptr && subject.inputs->rows() > 0;
  std::vector<float> inputs;
  if (real) {
    const int64_t tokens = std::min(kMostIntegerTokens, subject.inputs->rows());
    inputs.assign(subject.inputs->values.begin(),
                  subject.inputs->values.begin() + tokens * columns);
  } else {
    inputs = normal_values(static_cast<size_t>(kMostIntegerTokens) * width, subject.seed);
  }
  section.words.push_back(fmt::format(
      "Here: {} rows of the matrix (a scale each) and {} inputs {} (one scale for all), {} results "
      "(one scale for all).",
      rows, inputs.size() / width,
      real ? "out of the text" : "drawn from a normal distribution, since no text was given",
      static_cast<size_t>(rows) * inputs.size() / width));
  const auto errors =
      compare_rescales(std::span(subject.matrix.values).first(static_cast<size_t>(rows) * width),
                       inputs, columns, kMultiplierBits);
  Table table{.id = "integers",
              .caption =
                  "Difference from the float factor, in codes of the result; error of the "
                  "result against the product in floats",
              .columns = {{"multiplier", 0},
                          {"largest difference", 0},
                          {"mean difference", 6},
                          {"results that differ %", 4},
                          {"error %", 4}},
              .rows = {}};
  Series differing{.name = "results that differ", .points = {}, .labels = {}};
  for (const RescaleError& e : errors) {
    const double share =
        e.values > 0 ? 100 * static_cast<double>(e.differing) / static_cast<double>(e.values) : 0;
    table.rows.push_back({e.bits == 0 ? "float" : fmt::format("{} bits", e.bits),
                          static_cast<double>(e.largest), e.mean, share, 100 * e.relative});
    if (e.bits > 0) differing.points.push_back({static_cast<double>(e.bits), share});
  }
  section.tables.push_back(std::move(table));
  section.pictures.push_back(
      {plot_svg({.title = "Results that a short multiplier changes: " + subject.name(),
                 .across = "bits of the multiplier",
                 .up = "% of the results",
                 .series = {differing},
                 .from_zero = true}),
       "From some 16 bits of the multiplier on whole numbers are as good as floats; what is lost "
       "was "
       "lost when weights and inputs became codes."});
  return section;
}

}  // namespace issun::measure::lab
