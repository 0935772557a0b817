#include "train/contrastive.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace issun::train {

namespace {

struct Text {
  int64_t first, rows;  // of the batch
};

std::vector<Text> texts_of(const Batch& batch) {
  std::vector<Text> texts;
  for (int s = 0; s < batch.sequences; ++s) {
    const int64_t row = int64_t{s} * batch.length;
    for (int begin = 0; begin < batch.length;) {
      int end = begin + 1;
      while (end < batch.length && batch.visible_begin[static_cast<size_t>(row + end)] == begin) {
        ++end;
      }
      bool live = false;
      for (int t = begin; t < end; ++t) {
        live = live || batch.targets[static_cast<size_t>(row + t)] != kNoTarget;
      }
      if (live) texts.push_back({row + begin, end - begin});
      begin = end;
    }
  }
  return texts;
}

// The rows that a text's vector is the mean of.
Text pooled_rows(const Text& text, PairPooling pooling) {
  if (pooling == PairPooling::First) return {text.first, 1};
  if (pooling == PairPooling::Last) return {text.first + text.rows - 1, 1};
  return text;
}

// Vectors of length 1, and the lengths they had.
struct Vectors {
  std::vector<float> unit;  // (texts, width)
  std::vector<double> lengths;
};

Vectors pool(const Matrix<float>& hidden, const std::vector<Text>& texts,
             const kernels::KernelTable& k, PairPooling pooling) {
  const size_t width = static_cast<size_t>(hidden.columns);
  Vectors vectors;
  vectors.unit.resize(texts.size() * width);
  for (size_t i = 0; i < texts.size(); ++i) {
    const Text rows = pooled_rows(texts[i], pooling);
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

// Adds the gradients of one direction: text `from + 2 p` of each pair against all `to + 2 q`.
void add_direction(const Vectors& vectors, size_t pairs, size_t width, size_t from, size_t to,
                   const kernels::KernelTable& k, double temperature, double weight,
                   std::vector<float>& slopes, ContrastiveSums& sums) {
  std::vector<float> scores(pairs);
  const auto row = [&](size_t text) { return vectors.unit.data() + text * width; };
  const int n = static_cast<int>(width), count = static_cast<int>(pairs);
  for (size_t p = 0; p < pairs; ++p) {
    for (size_t q = 0; q < pairs; ++q) {
      scores[q] = k.dot(row(2 * p + from), row(2 * q + to), n) / static_cast<float>(temperature);
    }
    const float log_sum = k.log_sum_exp(scores.data(), count);
    sums.loss += static_cast<double>(log_sum) - static_cast<double>(scores[p]);
    if (from == 0 && k.argmax(scores.data(), count) == static_cast<int>(p)) ++sums.hits;
    k.exp_shifted(scores.data(), count, 1, log_sum, scores.data());
    scores[p] -= 1;
    for (size_t q = 0; q < pairs; ++q) {
      const float slope = static_cast<float>(scores[q] * weight / temperature);
      k.add_scaled(row(2 * q + to), slope, n, slopes.data() + (2 * p + from) * width);
      k.add_scaled(row(2 * p + from), slope, n, slopes.data() + (2 * q + to) * width);
    }
  }
}

}  // namespace

ContrastiveSums contrastive_loss(Network& network, const Batch& batch,
                                 const kernels::KernelTable& kernels,
                                 const ContrastiveOptions& options, double weight) {
  const std::vector<Text> texts = texts_of(batch);
  CHECK_THAT(texts.size() % 2 == 0);
  const Matrix<float> hidden = network.hidden(), d_hidden = network.hidden_gradient();
  const size_t width = static_cast<size_t>(hidden.columns), pairs = texts.size() / 2;
  const Vectors vectors = pool(hidden, texts, kernels, options.pooling);
  std::vector<float> slopes(vectors.unit.size());
  ContrastiveSums sums;
  sums.pairs = static_cast<int64_t>(pairs);
  const double share = options.both_ways ? 0.5 : 1;
  add_direction(vectors, pairs, width, 0, 1, kernels, options.temperature, weight * share, slopes,
                sums);
  if (options.both_ways) {
    add_direction(vectors, pairs, width, 1, 0, kernels, options.temperature, weight * share, slopes,
                  sums);
    sums.loss /= 2;
  }
  std::fill_n(d_hidden.data, d_hidden.rows * d_hidden.columns, 0.0f);
  for (size_t i = 0; i < texts.size(); ++i) {
    // Through the division by the length: what points along the vector itself is lost.
    const float* unit = vectors.unit.data() + i * width;
    float* slope = slopes.data() + i * width;
    const float along = kernels.dot(unit, slope, static_cast<int>(width));
    kernels.add_scaled(unit, -along, hidden.columns, slope);
    const Text rows = pooled_rows(texts[i], options.pooling);
    const double factor = 1 / (vectors.lengths[i] * static_cast<double>(rows.rows));
    for (int64_t t = rows.first; t < rows.first + rows.rows; ++t) {
      kernels.add_scaled(slope, static_cast<float>(factor), hidden.columns, d_hidden.row(t));
    }
  }
  return sums;
}

}  // namespace issun::train
