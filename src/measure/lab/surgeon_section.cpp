#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "measure/lab/plot.h"
#include "measure/lab/sections.h"
#include "quantize/lab/grid.h"
#include "quantize/lab/obs.h"
#include "quantize/lab/range.h"

namespace issun::measure::lab {

using namespace quantize::lab;

namespace {

constexpr int64_t kMostSurgeonColumns = 256, kMostSurgeonRows = 32;
constexpr int kGridLevels = 16;
constexpr double kDamping = 0.01;     // of the mean of H's diagonal
constexpr double kCorrelation = 0.7;  // of neighbours, where there are no inputs

using Vector = std::vector<double>;

// Mean outer product of the first n columns of the inputs.
Vector products_of(const InputRows& inputs, int64_t n) {
  const auto size = static_cast<size_t>(n);
  Vector h(size * size, 0);
  for (int64_t t = 0; t < inputs.rows(); ++t) {
    const float* x = inputs.values.data() + t * inputs.columns;
    for (size_t i = 0; i < size; ++i) {
      for (size_t j = 0; j <= i; ++j) h[i * size + j] += static_cast<double>(x[i]) * x[j];
    }
  }
  for (size_t i = 0; i < size; ++i) {
    for (size_t j = 0; j <= i; ++j)
      h[j * size + i] = h[i * size + j] /= static_cast<double>(inputs.rows());
  }
  return h;
}

// As if neighbouring columns were alike, and each as strong as its importance says.
Vector made_up_products(const MatrixRows& matrix, int64_t n) {
  const auto size = static_cast<size_t>(n);
  Vector h(size * size);
  for (size_t i = 0; i < size; ++i) {
    for (size_t j = 0; j < size; ++j) {
      const double strength =
          matrix.weights.empty()
              ? 1
              : std::sqrt(static_cast<double>(matrix.weights[i]) * matrix.weights[j]);
      h[i * size + j] =
          strength *
          std::pow(kCorrelation, std::abs(static_cast<double>(i) - static_cast<double>(j)));
    }
  }
  return h;
}

Vector damped(Vector h, int64_t n) {
  const auto size = static_cast<size_t>(n);
  double trace = 0;
  for (size_t i = 0; i < size; ++i) trace += h[i * size + i];
  const double more = kDamping * trace / static_cast<double>(n);
  // Inputs that are all 0 leave every direction alike.
  for (size_t i = 0; i < size; ++i) h[i * size + i] += more > 0 ? more : 1;
  return h;
}

// What a way to prune and round makes of a row.
struct Row {
  const Vector& weights;
  const Vector& inverse;
  int64_t size() const { return static_cast<int64_t>(weights.size()); }
};

// Rounds to 4 bits about zero, with the range of the least squared error for the row as it is.
struct Rounding {
  Grid grid;
  explicit Rounding(const Vector& weights) {
    const std::vector<float> values(weights.begin(), weights.end());
    grid = symmetric(mse_clip(values, {}, kGridLevels), kGridLevels);
  }
  double operator()(double x) const { return grid.nearest(static_cast<float>(x)); }
  Vector all(const Vector& weights) const {
    Vector result;
    for (const double w : weights) result.push_back((*this)(w));
    return result;
  }
  double half_step() const { return grid.scale / 2; }
};

Vector surgeon(const Row& row, bool prune_any, bool prune_2_of_4, bool round) {
  ObsRow obs(row.weights, row.inverse);
  if (prune_any) obs_prune(obs, row.size() / 2);
  if (prune_2_of_4) obs_prune_2_of_4(obs);
  if (round) {
    const Rounding rounding(row.weights);
    obs_round(obs, rounding, rounding.half_step());
  }
  return obs.weights();
}

Vector rounded(const Vector& pruned, const Vector& weights) {
  return Rounding(weights).all(pruned);
}

struct Way {
  const char* task;
  const char* method;
  Vector (*make)(const Row& row);
};

constexpr const char* kPrune = "prune half";
constexpr const char* kSparse = "prune 2 of 4";
constexpr const char* kRound = "4 bits";
constexpr const char* kBoth = "prune half + 4 bits";
constexpr const char* kSparseBoth = "prune 2 of 4 + 4 bits";

constexpr Way kWays[] = {
    {kPrune, "smallest magnitudes",
     [](const Row& r) { return prune_smallest(r.weights, r.size() / 2); }},
    {kPrune, "OBS", [](const Row& r) { return surgeon(r, true, false, false); }},
    {kSparse, "smallest magnitudes", [](const Row& r) { return prune_smallest_2_of_4(r.weights); }},
    {kSparse, "OBS", [](const Row& r) { return surgeon(r, false, true, false); }},
    {kRound, "to the nearest", [](const Row& r) { return rounded(r.weights, r.weights); }},
    {kRound, "OBQ", [](const Row& r) { return surgeon(r, false, false, true); }},
    {kBoth, "magnitudes, then nearest",
     [](const Row& r) { return rounded(prune_smallest(r.weights, r.size() / 2), r.weights); }},
    {kBoth, "OBS, then nearest",
     [](const Row& r) { return rounded(surgeon(r, true, false, false), r.weights); }},
    {kBoth, "OBS and OBQ jointly", [](const Row& r) { return surgeon(r, true, false, true); }},
    {kSparseBoth, "magnitudes, then nearest",
     [](const Row& r) { return rounded(prune_smallest_2_of_4(r.weights), r.weights); }},
    {kSparseBoth, "OBS, then nearest",
     [](const Row& r) { return rounded(surgeon(r, false, true, false), r.weights); }},
    {kSparseBoth, "OBS and OBQ jointly",
     [](const Row& r) { return surgeon(r, false, true, true); }},
};

struct MeasuredWay {
  double error = 0, squares = 0, zeros = 0, weight_error = 0, weight_squares = 0;
};

// Errors of all ways, rows in order so that the sums have the same bits for any number of threads.
std::vector<MeasuredWay> measure_ways(const Subject& subject, const Vector& h,
                                      const Vector& inverse, int64_t rows, int64_t columns) {
  std::vector<MeasuredWay> cells(static_cast<size_t>(rows) * std::size(kWays));
  subject.workers.for_each(rows, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const float* values = subject.matrix.values.data() + r * subject.matrix.columns;
      const Vector weights(values, values + columns);
      const Vector nothing(weights.size(), 0);
      for (size_t w = 0; w < std::size(kWays); ++w) {
        const Vector again = kWays[w].make({weights, inverse});
        MeasuredWay& cell = cells[static_cast<size_t>(r) * std::size(kWays) + w];
        cell.error = output_error(weights, again, h);
        cell.squares = output_error(weights, nothing, h);
        cell.zeros = static_cast<double>(std::count(again.begin(), again.end(), 0.0));
        for (size_t i = 0; i < weights.size(); ++i) {
          cell.weight_error += (again[i] - weights[i]) * (again[i] - weights[i]);
          cell.weight_squares += weights[i] * weights[i];
        }
      }
    }
  });
  std::vector<MeasuredWay> sums(std::size(kWays));
  for (size_t i = 0; i < cells.size(); ++i) {
    MeasuredWay& sum = sums[i % std::size(kWays)];
    sum.error += cells[i].error;
    sum.squares += cells[i].squares;
    sum.zeros += cells[i].zeros;
    sum.weight_error += cells[i].weight_error;
    sum.weight_squares += cells[i].weight_squares;
  }
  return sums;
}

double percent(double errors, double squares) {
  return squares > 0 ? 100 * std::sqrt(std::max(0.0, errors) / squares) : 0;
}

}  // namespace

Section surgeon_section(const Subject& subject) {
  const int64_t columns = std::min(kMostSurgeonColumns, subject.matrix.columns);
  const int64_t rows = std::min(kMostSurgeonRows, subject.matrix.rows());
  const bool real = subject.inputs != nullptr && subject.inputs->rows() > 0;
  Section section{.id = "surgeon",
                  .title = "Prune and round by what the layer gives",
                  .subject = subject.name(),
                  .words = {},
                  .tables = {},
                  .pictures = {}};
  section.words = {
      "What counts is not how far a weight moves but how far the layer's output does. Where inputs "
      "go together, an error in one weight can be made up for by its neighbours: the Optimal Brain "
      "Surgeon (OBS) removes the weight whose loss can be repaired best, moves the others, and "
      "goes "
      "on; OBQ rounds in the same way. Together they are the Optimal Brain Compression (OBC): one "
      "inverse of the inputs' products is carried through pruning and rounding, so that the "
      "rounding "
      "still makes up for the pruning.",
      "Half of the weights may go anywhere, or two of every four neighbours (2:4), the pattern "
      "that "
      "sparse units of GPUs can skip.",
      fmt::format(
          "Here: {} rows and the first {} columns, exact arithmetic. {}", rows, columns,
          real
              ? fmt::format(
                    "The inputs' products are those of {} rows out of the text, with 1 % of "
                    "their mean diagonal added.",
                    subject.inputs->rows())
              : fmt::format("No text was given, so the inputs' products are made up: neighbours go "
                            "together by {} for each column of distance{}.",
                            kCorrelation,
                            subject.matrix.weights.empty()
                                ? ""
                                : ", each column as strong as its importance says"))};
  if (real && subject.matrix.tensor.size[2] > 1)
    section.words.emplace_back("The inputs are those of all experts of the stack together.");
  const Vector h =
      real ? products_of(*subject.inputs, columns) : made_up_products(subject.matrix, columns);
  const auto inverse = inverse_of(damped(h, columns), columns);
  if (!inverse) {
    section.words.emplace_back("Left out: the inputs' products have no inverse.");
    return section;
  }
  const std::vector<MeasuredWay> sums = measure_ways(subject, h, *inverse, rows, columns);
  Table table{.id = "surgeon",
              .caption = "Error of the layer's output and of its weights, % of their RMS",
              .columns = {{"task", 0},
                          {"method", 0},
                          {"zeros %", 1},
                          {"output error %", 2},
                          {"weight error %", 2}},
              .rows = {}};
  std::vector<Bar> bars;
  for (size_t w = 0; w < std::size(kWays); ++w) {
    const double output = percent(sums[w].error, sums[w].squares);
    table.rows.push_back({kWays[w].task, kWays[w].method,
                          100 * sums[w].zeros / static_cast<double>(rows * columns), output,
                          percent(sums[w].weight_error, sums[w].weight_squares)});
    const bool plain = std::string_view(kWays[w].method).find("OB") == std::string_view::npos;
    bars.push_back({fmt::format("{}: {}", kWays[w].task, kWays[w].method), output, plain ? 1 : 0});
  }
  section.tables.push_back(std::move(table));
  section.pictures.push_back(
      {bars_svg("Output error: " + subject.name(), "% of the output's RMS", bars),
       "Methods that look at the outputs move the weights further and the output less."});
  return section;
}

}  // namespace issun::measure::lab
