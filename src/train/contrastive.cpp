#include "train/contrastive.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace issun::train {

namespace {

// The rows that a text's vector is the mean of.
TextRows pooled_rows(const TextRows& text, PairPooling pooling) {
  if (pooling == PairPooling::First) return {text.first, 1};
  if (pooling == PairPooling::Last) return {text.first + text.rows - 1, 1};
  return text;
}

// One row a text.
struct Vectors {
  Vectors(size_t texts, int64_t width_of_one)
      : width(width_of_one), values(texts * static_cast<size_t>(width_of_one)) {}
  int64_t width;
  std::vector<float> values;
  Matrix<float> rows() {
    return {values.data(), static_cast<int64_t>(values.size()) / width, width, width};
  }
};

Vectors pool(const Matrix<float>& hidden, const std::vector<TextRows>& texts,
             const kernels::KernelTable& k, PairPooling pooling) {
  Vectors vectors(texts.size(), hidden.columns);
  for (size_t i = 0; i < texts.size(); ++i) {
    const TextRows rows = pooled_rows(texts[i], pooling);
    float* out = vectors.rows().row(static_cast<int64_t>(i));
    for (int64_t t = rows.first; t < rows.first + rows.rows; ++t) {
      k.add_scaled(hidden.row(t), 1 / static_cast<float>(rows.rows), hidden.columns, out);
    }
  }
  return vectors;
}

void pool_back(const Vectors& slopes, const std::vector<TextRows>& texts,
               const kernels::KernelTable& k, PairPooling pooling, const Matrix<float>& d_hidden) {
  std::fill_n(d_hidden.data, d_hidden.rows * d_hidden.columns, 0.0f);
  for (size_t i = 0; i < texts.size(); ++i) {
    const TextRows rows = pooled_rows(texts[i], pooling);
    const float* slope = slopes.values.data() + i * static_cast<size_t>(slopes.width);
    for (int64_t t = rows.first; t < rows.first + rows.rows; ++t) {
      k.add_scaled(slope, 1 / static_cast<float>(rows.rows), slopes.width, d_hidden.row(t));
    }
  }
}

// Makes every vector one of length 1; the lengths they had.
std::vector<double> normalise(Vectors& vectors, const kernels::KernelTable& k) {
  std::vector<double> lengths;
  const Matrix<float> rows = vectors.rows();
  for (int64_t i = 0; i < rows.rows; ++i) {
    lengths.push_back(std::max(1e-12, std::sqrt(k.sum_squares(rows.row(i), rows.columns))));
    k.scale(rows.row(i), static_cast<float>(1 / lengths.back()), rows.columns, rows.row(i));
  }
  return lengths;
}

// From gradients of the vectors of length 1 to those of the vectors: what points along them is
// lost.
void normalise_back(Vectors& unit, const std::vector<double>& lengths,
                    const kernels::KernelTable& k, Vectors& slopes) {
  const int n = static_cast<int>(unit.width);
  for (size_t i = 0; i < lengths.size(); ++i) {
    const float* vector = unit.rows().row(static_cast<int64_t>(i));
    float* slope = slopes.rows().row(static_cast<int64_t>(i));
    k.add_scaled(vector, -k.dot(vector, slope, n), n, slope);
    k.scale(slope, static_cast<float>(1 / lengths[i]), n, slope);
  }
}

// Texts from .. from + pairs - 1 against `count` of them from `to` on, of which to + p is the one
// that text from + p has to find.
struct Direction {
  size_t from, to, pairs, count;
  double temperature, weight;
};

// Adds the gradients of one direction.
ContrastiveSums add_direction(const Vectors& unit, const Direction& way,
                              const kernels::KernelTable& k, Vectors& slopes) {
  ContrastiveSums sums{.pairs = static_cast<int64_t>(way.pairs)};
  std::vector<float> scores(way.count);
  const size_t width = static_cast<size_t>(unit.width);
  const auto row = [&](size_t text) { return unit.values.data() + text * width; };
  const int n = static_cast<int>(width), count = static_cast<int>(way.count);
  for (size_t p = 0; p < way.pairs; ++p) {
    for (size_t q = 0; q < way.count; ++q) {
      scores[q] =
          k.dot(row(way.from + p), row(way.to + q), n) / static_cast<float>(way.temperature);
    }
    const float log_sum = k.log_sum_exp(scores.data(), count);
    sums.loss += static_cast<double>(log_sum) - static_cast<double>(scores[p]);
    if (k.argmax(scores.data(), count) == static_cast<int>(p)) ++sums.hits;
    k.exp_shifted(scores.data(), count, 1, log_sum, scores.data());
    scores[p] -= 1;
    for (size_t q = 0; q < way.count; ++q) {
      const float slope = static_cast<float>(scores[q] * way.weight / way.temperature);
      k.add_scaled(row(way.to + q), slope, n, slopes.values.data() + (way.from + p) * width);
      k.add_scaled(row(way.from + p), slope, n, slopes.values.data() + (way.to + q) * width);
    }
  }
  return sums;
}

}  // namespace

ContrastiveSums contrastive_loss(Network& network, const Batch& batch,
                                 const kernels::KernelTable& kernels,
                                 const ContrastiveOptions& options, double weight) {
  const size_t pairs = batch.queries.size(), candidates = batch.candidates.size();
  CHECK_THAT(pairs <= candidates);
  std::vector<TextRows> texts = batch.queries;
  texts.insert(texts.end(), batch.candidates.begin(), batch.candidates.end());
  // As pooled, after each further matrix, and of length 1.
  std::vector<Vectors> stages = {pool(network.hidden(), texts, kernels, options.pooling)};
  const std::vector<const model::Linear*> head = network.head();
  for (const model::Linear* linear : head) {
    Vectors next(texts.size(), linear->weight.rows());
    network.project(*linear, stages.back().rows(), next.rows());
    stages.push_back(std::move(next));
  }
  const std::vector<double> lengths = normalise(stages.back(), kernels);
  Vectors slopes(texts.size(), stages.back().width);
  const auto add = [&](size_t from, size_t to, size_t count) {
    const double share = options.both_ways ? 0.5 : 1;
    return add_direction(stages.back(),
                         {from, to, pairs, count, options.temperature, weight * share}, kernels,
                         slopes);
  };
  ContrastiveSums sums = add(0, pairs, candidates);
  if (options.both_ways) sums.loss = (sums.loss + add(pairs, 0, pairs).loss) / 2;
  if (weight == 0) return sums;
  normalise_back(stages.back(), lengths, kernels, slopes);
  for (size_t i = head.size(); i-- > 0;) {
    Vectors before(texts.size(), stages[i].width);
    network.project_back(*head[i], stages[i].rows(), slopes.rows(), before.rows());
    slopes = std::move(before);
  }
  pool_back(slopes, texts, kernels, options.pooling, network.hidden_gradient());
  return sums;
}

Result<PairPooling> pooling_of(const model::ModelConfig& config) {
  switch (config.reading.pooling) {
    case model::Pooling::Mean:
      return PairPooling::Mean;
    case model::Pooling::First:
      return PairPooling::First;
    case model::Pooling::Last:
      return PairPooling::Last;
    case model::Pooling::None:
      break;
    case model::Pooling::Rank:
      return fail("{}: expected a model that embeds, found one that judges pairs",
                  config.architecture);
  }
  return fail("{}: expected one vector a text (the mean, the first or the last), found one a token",
              config.architecture);
}

}  // namespace issun::train
