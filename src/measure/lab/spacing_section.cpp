#include <fmt/format.h>

#include <array>
#include <cmath>

#include "measure/lab/plot.h"
#include "measure/lab/sections.h"
#include "quantize/lab/codebook.h"
#include "quantize/lab/grid.h"

namespace issun::measure::lab {

using namespace quantize::lab;

namespace {

constexpr int64_t kSpacedGroup = 32;
constexpr std::array<int, 8> kLevelCounts = {2, 3, 4, 8, 16, 32, 64, 256};

enum class Method { Symmetric, FullRange, Asymmetric, MeanMagnitude, LloydMax, Normal, Powers };
constexpr std::array<Method, 7> kMethods = {
    Method::Symmetric, Method::FullRange, Method::Asymmetric, Method::MeanMagnitude,
    Method::LloydMax,  Method::Normal,    Method::Powers};

const char* name(Method method) {
  switch (method) {
    case Method::Symmetric:
      return "symmetric";
    case Method::FullRange:
      return "full range";
    case Method::Asymmetric:
      return "asymmetric";
    case Method::MeanMagnitude:
      return "mean magnitude";
    case Method::LloydMax:
      return "Lloyd-Max";
    case Method::Normal:
      return "normal quantiles";
    case Method::Powers:
      return "powers of two";
  }
  return "";
}

bool exists(Method method, int levels) {
  switch (method) {
    case Method::Symmetric:
      return levels >= 3;
    case Method::MeanMagnitude:
      return levels <= 3;
    case Method::FullRange:
    case Method::Normal:
    case Method::Powers:
      return levels >= 4;
    default:
      return true;
  }
}

std::string bits_name(int levels) {
  return levels == 3 ? "1.58 (ternary)" : fmt::format("{}", static_cast<int>(std::log2(levels)));
}

// Each value in units of its block's largest, with the weight that its error then has.
SortedValues in_block_units(const Sample& sample) {
  std::vector<float> values(sample.values.size()), weights(sample.values.size());
  for_each_group(
      sample, {Granularity::Kind::Group, kSpacedGroup}, [&](int64_t first, int64_t count) {
        const auto begin = static_cast<size_t>(first), size = static_cast<size_t>(count);
        const double largest = largest_magnitude(sample.values.subspan(begin, size));
        for (size_t i = begin; i < begin + size; ++i) {
          values[i] = largest > 0 ? static_cast<float>(sample.values[i] / largest) : 0;
          weights[i] =
              static_cast<float>(largest * largest) * (sample.weighted() ? sample.weights[i] : 1);
        }
      });
  return SortedValues(values, weights);
}

std::vector<float> book_of(Method method, int levels, const SortedValues& sorted, uint64_t seed) {
  const int bits = static_cast<int>(std::log2(levels));
  switch (method) {
    case Method::LloydMax:
      return lloyd_max(sorted, levels, seed).levels;
    case Method::Normal:
      return normal_quantiles(bits);
    case Method::Powers:
      return powers_of_two(bits);
    default:
      return {};
  }
}

Loss measure_method(const Sample& sample, Method method, int levels,
                    const std::vector<float>& book) {
  Storage storage{.code_bits = std::log2(levels), .group_bits = kScaleBits};
  if (method == Method::Asymmetric) storage.group_bits = 2 * kScaleBits;
  if (method == Method::LloydMax) storage.once_bits = kScaleBits * static_cast<double>(book.size());
  return round_groups(
      sample, {Granularity::Kind::Group, kSpacedGroup}, storage, [&](std::span<const float> group) {
        switch (method) {
          case Method::Symmetric:
            return symmetric(largest_magnitude(group), levels);
          case Method::FullRange:
            return full_range(group, levels);
          case Method::Asymmetric: {
            const auto [least, most] = std::minmax_element(group.begin(), group.end());
            return asymmetric(*least, *most, levels);
          }
          case Method::MeanMagnitude:
            return mean_magnitude(group, levels);
          default:
            return from_book(group, book);
        }
      });
}

// The levels of one width over each other.
Picture levels_picture(const SortedValues& sorted, uint64_t seed) {
  constexpr int kShown = 16;
  std::vector<Series> series;
  const auto add = [&](const char* what, const std::vector<float>& levels) {
    Series row{.name = what, .points = {}, .line = false, .labels = {}};
    for (const float level : levels)
      row.points.push_back({level, -static_cast<double>(series.size())});
    series.push_back(row);
  };
  std::vector<float> even;
  for (int i = -7; i <= 7; ++i) even.push_back(static_cast<float>(i) / 7);
  add("symmetric", even);
  add("Lloyd-Max", lloyd_max(sorted, kShown, seed).levels);
  add("normal quantiles", normal_quantiles(4));
  add("powers of two", powers_of_two(4));
  return {plot_svg({.title = "The levels of 4 bits",
                    .across = "in units of the block's largest magnitude",
                    .up = "",
                    .series = series,
                    .named_rows = true}),
          "Even steps treat every part of the range alike. The other rows put more levels where "
          "more values are."};
}

}  // namespace

Section spacing_section(const Subject& subject) {
  const Sample sample = subject.matrix.sample();
  const SortedValues sorted = in_block_units(sample);
  Section section{.id = "spacing",
                  .title = "Where the levels are",
                  .subject = subject.name(),
                  .words = {},
                  .tables = {},
                  .pictures = {}};
  section.words = {
      "Every 32 neighbours of a row share a scale of 16 bits, taken from the largest of them; a "
      "code of so many bits says which level a value became. Symmetric: even steps about an exact "
      "zero, one code of an even number left unused. Full range: that code is used too, on the "
      "side of the largest value (as Q4_0 does). Asymmetric: even steps from the smallest to the "
      "largest, which costs a second number of 16 bits. Mean magnitude: -1, (0) and 1 times the "
      "mean of the magnitudes (BitNet b1.58, XNOR-Net).",
      "Not evenly spaced: Lloyd-Max levels are fitted to this very matrix, each the mean of what "
      "is "
      "rounded to it, and stored once; normal quantiles (as NF4) are where a normal distribution "
      "would want them; powers of two need no multiplication, only shifts.",
      "Each further bit halves the steps and should bring 6.02 dB. 1.58 bits (three levels) "
      "suppose "
      "that codes are packed without a gap."};
  Table grid{.id = "spacing",
             .caption = "Error (root mean square, % of the values' own), blocks of 32",
             .columns = {{"bits of a code", 0}},
             .rows = {}};
  for (const Method method : kMethods) grid.columns.push_back({name(method), 3});
  Table full{.id = "spacing_full",
             .caption = "The same with what is stored: bits a weight with scales and tables",
             .columns = {{"bits of a code", 0}, {"levels", 0}, {"bits a weight", 3}},
             .rows = {},
             .detail = true};
  add_loss_columns(sample.weighted(), &full.columns);
  std::vector<Series> series;
  for (const Method method : kMethods)
    series.push_back({.name = name(method), .points = {}, .labels = {}});
  for (const int levels : kLevelCounts) {
    std::vector<Cell> row{bits_name(levels)};
    for (size_t m = 0; m < kMethods.size(); ++m) {
      if (!exists(kMethods[m], levels)) {
        row.emplace_back(NAN);
        continue;
      }
      const std::vector<float> book = book_of(kMethods[m], levels, sorted, subject.seed);
      const Loss loss = measure_method(sample, kMethods[m], levels, book);
      row.emplace_back(100 * loss.relative());
      full.rows.push_back({bits_name(levels), name(kMethods[m]), loss.bits_per_weight()});
      add_loss_cells(loss, sample.weighted(), &full.rows.back());
      series[m].points.push_back({loss.bits_per_weight(), loss.sqnr_db()});
    }
    grid.rows.push_back(std::move(row));
  }
  section.tables = {grid, full};
  section.pictures.push_back(
      {plot_svg({.title = "What a bit buys, by spacing: " + subject.name(),
                 .across = "bits a weight, scales and tables included",
                 .up = "SQNR (dB), more is better",
                 .series = series}),
       "Higher and further left is better. Two methods at the same height lose the same; the one "
       "further left stores less."});
  section.pictures.push_back(levels_picture(sorted, subject.seed));
  return section;
}

}  // namespace issun::measure::lab
