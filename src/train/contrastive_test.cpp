#include "train/contrastive.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "train/testing.h"

using namespace issun;
using namespace issun::train;

namespace {

using Rows = std::vector<std::vector<double>>;

std::vector<double> vector_of(const Rows& hidden, const TextRows& text, PairPooling pooling) {
  const auto first = static_cast<size_t>(text.first), rows = static_cast<size_t>(text.rows);
  if (pooling == PairPooling::First) return hidden[first];
  if (pooling == PairPooling::Last) return hidden[first + rows - 1];
  std::vector<double> sum(hidden[0].size());
  for (size_t t = 0; t < rows; ++t) {
    for (size_t c = 0; c < sum.size(); ++c) sum[c] += hidden[first + t][c];
  }
  return sum;  // the cosine does not see the length
}

double cosine(const std::vector<double>& a, const std::vector<double>& b) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t c = 0; c < a.size(); ++c) {
    ab += a[c] * b[c];
    aa += a[c] * a[c];
    bb += b[c] * b[c];
  }
  return ab / std::sqrt(aa * bb);
}

std::vector<double> product(const Rows& matrix, const std::vector<double>& x) {
  std::vector<double> out;
  for (const std::vector<double>& row : matrix) {
    double sum = 0;
    for (size_t c = 0; c < x.size(); ++c) sum += row[c] * x[c];
    out.push_back(sum);
  }
  return out;
}

// What the loss is a function of: the rows of the batch, and the matrices behind the vectors.
struct Numbers {
  Rows hidden;
  std::vector<Rows> head;
};

// The mean over pairs, by plain loops in double precision.
double reference_loss(const Numbers& numbers, const Batch& batch,
                      const ContrastiveOptions& options) {
  const auto vector = [&](const TextRows& text) {
    std::vector<double> x = vector_of(numbers.hidden, text, options.pooling);
    for (const Rows& matrix : numbers.head) x = product(matrix, x);
    return x;
  };
  const auto one_way = [&](const std::vector<TextRows>& from, const std::vector<TextRows>& to) {
    double loss = 0;
    for (size_t p = 0; p < batch.queries.size(); ++p) {
      double sum = 0, own = 0;
      for (size_t q = 0; q < to.size(); ++q) {
        const double score = cosine(vector(from[p]), vector(to[q])) / options.temperature;
        sum += std::exp(score);
        if (q == p) own = score;
      }
      loss += std::log(sum) - own;
    }
    return loss / static_cast<double>(batch.queries.size());
  };
  const double loss = one_way(batch.queries, batch.candidates);
  if (!options.both_ways) return loss;
  const std::vector<TextRows> answers(
      batch.candidates.begin(),
      batch.candidates.begin() + static_cast<ptrdiff_t>(batch.queries.size()));
  return (loss + one_way(answers, batch.queries)) / 2;
}

Rows rows_of(const Matrix<float>& matrix) {
  Rows rows;
  for (int64_t t = 0; t < matrix.rows; ++t) {
    rows.emplace_back(matrix.row(t), matrix.row(t) + matrix.columns);
  }
  return rows;
}

// Documents of 3 to 6 tokens in two sequences of 13.
Batch batch_of_texts(int vocabulary) {
  Batch batch = whole_sequences(vocabulary, 2, 13);
  batch.queries = {{0, 3}, {13, 4}};
  batch.candidates = {{3, 5}, {17, 3}, {8, 5}, {20, 6}};
  for (const auto* texts : {&batch.queries, &batch.candidates}) {
    for (const TextRows& text : *texts) {
      for (int i = 0; i < text.rows; ++i) {
        const auto row = static_cast<size_t>(text.first + i);
        batch.positions[row] = i;
        batch.visible_begin[row] = static_cast<int32_t>(text.first % batch.length);
      }
    }
  }
  return batch;
}

void check_gradients(Trained& trained, size_t negatives, const ContrastiveOptions& options) {
  static std::mt19937 random(11);
  std::normal_distribution<double> normal;
  Network& network = *trained.network;
  Batch batch = batch_of_texts(trained.model.config.vocabulary_size);
  batch.candidates.resize(2 + negatives);
  Numbers numbers{rows_of(network.forward(batch)), {}}, gradients;
  std::ranges::fill(trained.parameters.gradients(), 0.0f);
  const ContrastiveSums sums =
      contrastive_loss(network, batch, **kernels::choose_kernels(), options, 0.5);
  gradients.hidden = rows_of(network.hidden_gradient());
  for (const model::Linear* linear : network.head()) {
    const int64_t rows = linear->weight.rows(), columns = linear->weight.columns();
    auto* values = const_cast<float*>(linear->weight.floats());
    numbers.head.push_back(rows_of({values, rows, columns, columns}));
    gradients.head.push_back(
        rows_of({trained.parameters.gradient(linear->weight), rows, columns, columns}));
  }
  CHECK(sums.pairs == 2);
  CHECK(sums.loss / 2 == doctest::Approx(reference_loss(numbers, batch, options)).epsilon(1e-5));
  for (int probe = 0; probe < 4; ++probe) {
    Numbers moved[2] = {numbers, numbers};
    double expected = 0, scale = 0;
    const double step = 1e-5;
    const auto move = [&](const Rows& gradient, Rows& down, Rows& up) {
      for (size_t t = 0; t < gradient.size(); ++t) {
        for (size_t c = 0; c < gradient[t].size(); ++c) {
          const double direction = normal(random);
          down[t][c] -= step * direction;
          up[t][c] += step * direction;
          expected += gradient[t][c] * direction;
          scale += gradient[t][c] * gradient[t][c];
        }
      }
    };
    move(gradients.hidden, moved[0].hidden, moved[1].hidden);
    for (size_t i = 0; i < numbers.head.size(); ++i) {
      move(gradients.head[i], moved[0].head[i], moved[1].head[i]);
    }
    const double found =
        (reference_loss(moved[1], batch, options) - reference_loss(moved[0], batch, options)) /
        (2 * step);
    CHECK(std::abs(found - expected) < 1e-5 * std::sqrt(scale));
  }
}

}  // namespace

TEST_CASE("the contrastive loss and its gradients are those of plain loops") {
  model::ModelConfig facts = model::small_facts();
  facts.causal = false;
  Trained plain(facts, {}, {.sequences = 2, .length = 13});
  Trained with_head(facts, {}, {.sequences = 2, .length = 13});
  // Matrices of the right shapes that are trained: (12, 20) and (20, 12).
  with_head.model.weights.head.first_dense = with_head.model.weights.layers[0].feed_forward.up;
  with_head.model.weights.head.second_dense = with_head.model.weights.layers[1].feed_forward.down;
  for (const PairPooling pooling : {PairPooling::Mean, PairPooling::First, PairPooling::Last}) {
    for (const bool both_ways : {false, true}) {
      for (const size_t negatives : {0, 2}) {
        CAPTURE(static_cast<int>(pooling));
        CAPTURE(both_ways);
        CAPTURE(negatives);
        const ContrastiveOptions options{
            .temperature = 0.3, .pooling = pooling, .both_ways = both_ways};
        check_gradients(plain, negatives, options);
        check_gradients(with_head, negatives, options);
      }
    }
  }
}

TEST_CASE("a query is found where its answer is nearer than all other candidates") {
  model::ModelConfig facts = model::small_facts();
  Trained trained(facts, {}, {.sequences = 2, .length = 13});
  Batch batch = batch_of_texts(facts.vocabulary_size);
  trained.network->forward(batch);
  const auto& kernels = **kernels::choose_kernels();
  batch.candidates = {batch.queries[0], batch.queries[1], {3, 5}};  // texts that are the queries
  CHECK(contrastive_loss(*trained.network, batch, kernels, {}, 0).hits == 2);
  std::swap(batch.candidates[0], batch.candidates[2]);
  CHECK(contrastive_loss(*trained.network, batch, kernels, {}, 0).hits == 1);
}

TEST_CASE("how a text becomes a vector is the model's, where training knows it") {
  model::MadeUpModel made(model::small_facts(), {});
  const auto pooling = [&](model::Pooling named) {
    model::ModelConfig config = made.config;
    config.reading.pooling = named;
    return pooling_of(config);
  };
  CHECK(*pooling(model::Pooling::Mean) == PairPooling::Mean);
  CHECK(*pooling(model::Pooling::First) == PairPooling::First);
  CHECK(*pooling(model::Pooling::Last) == PairPooling::Last);
  CHECK(pooling(model::Pooling::None).error().message.ends_with("found one a token"));
  CHECK(pooling(model::Pooling::Rank).error().message.ends_with("found one that judges pairs"));
}
