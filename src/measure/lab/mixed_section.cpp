#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/quote.h"
#include "measure/lab/plot.h"
#include "measure/lab/sections.h"
#include "quantize/lab/allocation.h"
#include "quantize/lab/grid.h"

namespace issun::measure::lab {

using namespace quantize::lab;

namespace {

constexpr int kWidths[] = {2, 3, 4, 5, 6, 8};
constexpr int kMixedGroup = 32;
constexpr size_t kCurvePoints = 200;

struct MeasuredWidths {
  Widths widths;
  double energy = 0;  // of the values, weighed as the errors are
};

// What the columns' errors count by where a text was read.
void weigh_by_inputs(const Inputs* inputs, MatrixRows* matrix) {
  if (inputs == nullptr || !matrix->weights.empty()) return;
  const auto found = inputs->mean_squares.find(matrix->tensor.name);
  if (found == inputs->mean_squares.end()) return;
  matrix->weights.resize(matrix->values.size());
  for (size_t i = 0; i < matrix->weights.size(); ++i)
    matrix->weights[i] =
        static_cast<float>(found->second[i % static_cast<size_t>(matrix->columns)]);
}

MeasuredWidths measure_widths(const MatrixRows& matrix) {
  const Sample sample = matrix.sample();
  const auto whole = static_cast<double>(matrix.tensor.rows()) / static_cast<double>(matrix.rows());
  MeasuredWidths result;
  for (const int bits : kWidths) {
    const Loss loss =
        round_groups(sample, {Granularity::Kind::Group, kMixedGroup},
                     {.code_bits = static_cast<double>(bits), .group_bits = kScaleBits},
                     [&](std::span<const float> group) {
                       return symmetric(largest_magnitude(group), 1 << bits);
                     });
    result.widths.push_back({whole * loss.bits, whole * loss.weighted_errors});
    result.energy = whole * loss.weighted_squares;
  }
  return result;
}

struct Model {
  std::vector<Widths> tensors;
  double energy = 0, weights = 0;
  double percent(const Allocation& a) const {
    return energy > 0 ? 100 * std::sqrt(a.error / energy) : 0;
  }
  PlotPoint point(const Allocation& a) const { return {a.bits / weights, percent(a)}; }
};

Picture size_picture(const std::string& name, const Model& model) {
  Series same{.name = "the same everywhere", .points = {}, .labels = {}};
  for (size_t i = 0; i < std::size(kWidths); ++i) {
    same.points.push_back(model.point(same_width(model.tensors, static_cast<int>(i))));
    same.labels.push_back(fmt::format("{} bits", kWidths[i]));
  }
  std::vector<Allocation> path;
  greedy(model.tensors, INFINITY, &path);
  Series chosen{.name = "chosen by matrix", .points = {}, .dots = false, .labels = {}};
  const size_t step = std::max<size_t>(1, path.size() / kCurvePoints);
  for (size_t i = 0; i < path.size(); i += step) chosen.points.push_back(model.point(path[i]));
  chosen.points.push_back(model.point(path.back()));
  const auto in_log = [](Series* series) {
    for (PlotPoint& p : series->points) p.y = -20 * std::log10(p.y / 100);
  };
  in_log(&same);
  in_log(&chosen);
  return {plot_svg({.title = "The same bits everywhere, or where they help: " + name,
                    .across = "bits a weight of all matrices",
                    .up = "SQNR of all (dB), more is better",
                    .series = {same, chosen}}),
          "The curve above the dots is what choosing buys: the same size and less error, or the "
          "same error and less size."};
}

Table choice_table(const std::vector<Tensor>& matrices, const Model& model, size_t at) {
  Table table{.id = fmt::format("choice_{}_bits", kWidths[at]),
              .caption = fmt::format("What each matrix gets in the size of {} bits everywhere",
                                     kWidths[at]),
              .columns = {{"matrix", 0}, {"values", 0}, {"bits of a code", 0}},
              .rows = {},
              .detail = true};
  const Allocation chosen =
      greedy(model.tensors, same_width(model.tensors, static_cast<int>(at)).bits);
  for (size_t i = 0; i < matrices.size(); ++i) {
    table.rows.push_back({printable(matrices[i].name),
                          static_cast<double>(matrices[i].columns() * matrices[i].rows()),
                          static_cast<double>(kWidths[chosen.chosen[i]])});
  }
  return table;
}

}  // namespace

Result<Section> mixed_section(const MixedSubject& subject) {
  const size_t count = subject.matrices.size();
  std::vector<MeasuredWidths> measured(count);
  std::vector<std::string> faults(count);
  subject.workers.for_each(static_cast<int64_t>(count), 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const auto place = static_cast<size_t>(i);
      auto matrix = read_rows(subject.matrices[place], subject.importance, subject.rows);
      if (!matrix) {
        faults[place] = matrix.error().message;
        continue;
      }
      weigh_by_inputs(subject.inputs, &*matrix);
      measured[place] = measure_widths(*matrix);
    }
  });
  for (const std::string& fault : faults) {
    if (!fault.empty()) return fail("{}", fault);
  }
  Model model;
  for (size_t i = 0; i < count; ++i) {
    model.tensors.push_back(measured[i].widths);
    model.energy += measured[i].energy;
    model.weights +=
        static_cast<double>(subject.matrices[i].columns() * subject.matrices[i].rows());
  }
  Section section{.id = "mixed",
                  .title = "Mixed precision",
                  .subject = fmt::format("{}, {} matrices", subject.name, count),
                  .words = {},
                  .tables = {},
                  .pictures = {}};
  section.words = {
      "Some matrices suffer more from few bits than others. Here each may have 2, 3, 4, 5, 6 or 8 "
      "bits (symmetric, blocks of 32), and the bits go, one step after another, to the matrix "
      "whose "
      "error then falls most for a stored bit, until the size is used up.",
      subject.importance != nullptr
          ? "Errors count by the importance of their columns (--imatrix); columns that the file "
            "says "
            "nothing of count by 1 or, where a text was read, by their inputs."
      : subject.inputs != nullptr
          ? "Errors count by the mean square of what their columns met while the text was read: "
            "about what they change in each matrix's output."
          : "All errors count alike: with --text or --imatrix they would count by what the columns "
            "are multiplied with, which says more about the model.",
      "An error of weights or of products is not yet a worse answer: what the model itself lost is "
      "measured by issun eval."};
  Table table{.id = "mixed",
              .caption =
                  "At the size of the same bits everywhere: error of all matrices together, % "
                  "of their RMS",
              .columns = {{"size of", 0},
                          {"bits a weight", 3},
                          {"the same everywhere %", 3},
                          {"chosen %", 3},
                          {"chosen / same", 4}},
              .rows = {}};
  for (size_t i = 0; i < std::size(kWidths); ++i) {
    const Allocation same = same_width(model.tensors, static_cast<int>(i));
    const Allocation chosen = greedy(model.tensors, same.bits);
    table.rows.push_back(
        {fmt::format("{} bits", kWidths[i]), same.bits / model.weights, model.percent(same),
         model.percent(chosen),
         model.percent(same) > 0 ? model.percent(chosen) / model.percent(same) : NAN});
  }
  section.tables = {std::move(table), choice_table(subject.matrices, model, 1),
                    choice_table(subject.matrices, model, 2)};
  section.pictures.push_back(size_picture(subject.name, model));
  return section;
}

}  // namespace issun::measure::lab
