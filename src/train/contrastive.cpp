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

// Vectors of length 1, and the lengths they had.
struct Vectors {
  std::vector<float> unit;  // (texts, width)
  std::vector<double> lengths;
};

Vectors pool(const Matrix<float>& hidden, const std::vector<TextRows>& texts,
             const kernels::KernelTable& k, PairPooling pooling) {
  const size_t width = static_cast<size_t>(hidden.columns);
  Vectors vectors;
  vectors.unit.resize(texts.size() * width);
  for (size_t i = 0; i < texts.size(); ++i) {
    const TextRows rows = pooled_rows(texts[i], pooling);
    float* out = vectors.unit.data() + i * width;
    for (int64_t t = rows.first; t < rows.first + rows.rows; ++t) {
      k.add_scaled(hidden.row(t), 1 / static_cast<float>(rows.rows), hidden.columns, out);
    }
    const double length = std::max(1e-12, std::sqrt(k.sum_squares(out, hidden.columns)));
    vectors.lengths.push_back(length);
    k.scale(out, static_cast<float>(1 / length), hidden.columns, out);
  }
  return vectors;
}

// Text from + p of each pair against `count` texts, of which to + p is its own.
struct Direction {
  size_t from, to, count;
};

// Adds the gradients of one direction.
void add_direction(const Vectors& vectors, const Direction& way, size_t pairs, size_t width,
                   const kernels::KernelTable& k, double temperature, double weight,
                   std::vector<float>& slopes, ContrastiveSums& sums) {
  std::vector<float> scores(way.count);
  const auto row = [&](size_t text) { return vectors.unit.data() + text * width; };
  const int n = static_cast<int>(width), count = static_cast<int>(way.count);
  for (size_t p = 0; p < pairs; ++p) {
    for (size_t q = 0; q < way.count; ++q) {
      scores[q] = k.dot(row(way.from + p), row(way.to + q), n) / static_cast<float>(temperature);
    }
    const float log_sum = k.log_sum_exp(scores.data(), count);
    sums.loss += static_cast<double>(log_sum) - static_cast<double>(scores[p]);
    if (k.argmax(scores.data(), count) == static_cast<int>(p)) ++sums.hits;
    k.exp_shifted(scores.data(), count, 1, log_sum, scores.data());
    scores[p] -= 1;
    for (size_t q = 0; q < way.count; ++q) {
      const float slope = static_cast<float>(scores[q] * weight / temperature);
      k.add_scaled(row(way.to + q), slope, n, slopes.data() + (way.from + p) * width);
      k.add_scaled(row(way.from + p), slope, n, slopes.data() + (way.to + q) * width);
    }
  }
}

}  // namespace

ContrastiveSums contrastive_loss(Network& network, const Batch& batch,
                                 const kernels::KernelTable& kernels,
                                 const ContrastiveOptions& options, double weight) {
  const size_t pairs = batch.queries.size(), candidates = batch.candidates.size();
  CHECK_THAT(pairs <= candidates);
  std::vector<TextRows> texts = batch.queries;
  texts.insert(texts.end(), batch.candidates.begin(), batch.candidates.end());
  const Matrix<float> hidden = network.hidden(), d_hidden = network.hidden_gradient();
  const size_t width = static_cast<size_t>(hidden.columns);
  const Vectors vectors = pool(hidden, texts, kernels, options.pooling);
  std::vector<float> slopes(vectors.unit.size());
  const auto add = [&](const Direction& way, double share) {
    ContrastiveSums sums;
    add_direction(vectors, way, pairs, width, kernels, options.temperature, weight * share, slopes,
                  sums);
    return sums;
  };
  ContrastiveSums sums = add({0, pairs, candidates}, options.both_ways ? 0.5 : 1);
  sums.pairs = static_cast<int64_t>(pairs);
  if (options.both_ways) sums.loss = (sums.loss + add({pairs, 0, pairs}, 0.5).loss) / 2;
  std::fill_n(d_hidden.data, d_hidden.rows * d_hidden.columns, 0.0f);
  for (size_t i = 0; i < texts.size(); ++i) {
    // Through the division by the length: what points along the vector itself is lost.
    const float* unit = vectors.unit.data() + i * width;
    float* slope = slopes.data() + i * width;
    const float along = kernels.dot(unit, slope, static_cast<int>(width));
    kernels.add_scaled(unit, -along, hidden.columns, slope);
    const TextRows rows = pooled_rows(texts[i], options.pooling);
    const double factor = 1 / (vectors.lengths[i] * static_cast<double>(rows.rows));
    for (int64_t t = rows.first; t < rows.first + rows.rows; ++t) {
      kernels.add_scaled(slope, static_cast<float>(factor), hidden.columns, d_hidden.row(t));
    }
  }
  return sums;
}

Result<PairPooling> pooling_of(const model::ModelConfig& config, const model::Weights& weights) {
  if (weights.head.first_dense.weight || weights.head.second_dense.weight) {
    return fail("{}: training does not know matrices behind the vector of a text",
                config.architecture);
  }
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
