#include "train/network.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "train/layer.h"
#include "train/mixture.h"

namespace issun::train {

namespace {

RoomOptions room_options(const model::Weights& weights, const NetworkOptions& options,
                         int workers) {
  return {.sequences = options.sequences,
          .length = options.length,
          .recompute = options.recompute,
          .distils = options.distils,
          .rank = static_cast<int>(weights.adapter_sizes.rank),
          .workers = workers};
}

Result<void> check(const model::ModelConfig& config, const model::Weights& weights,
                   const NetworkOptions& options) {
  TRY(check_trainable(config));
  for (const model::LayerWeights& layer : weights.layers) {
    for (const model::FeedForwardWeights& expert : layer.mixture.experts) {
      if (!expert.gate.bias && !expert.up.bias && !expert.down.bias) continue;
      return fail("{}: training does not know biases of experts", config.architecture);
    }
  }
  if (options.sequences < 1 || options.length < 1) {
    return fail("a batch: expected at least one sequence of at least one token, found {} of {}",
                options.sequences, options.length);
  }
  int used = 1;
  for (const model::LayerConfig& layer : config.layers) used = std::max(used, layer.mixture.used);
  if (static_cast<double>(options.sequences) * options.length * used > INT32_MAX) {
    return fail("a batch: expected at most {} tokens, found {} sequences of {}", INT32_MAX / used,
                options.sequences, options.length);
  }
  if (config.learned_positions != 0 && options.length > config.learned_positions) {
    return fail(
        "sequences: expected up to {} tokens, for which this model has learned positions, "
        "found {}",
        config.learned_positions, options.length);
  }
  return {};
}

}  // namespace

Result<int64_t> Network::planned_bytes(const model::ModelConfig& config,
                                       const model::Weights& weights, const NetworkOptions& options,
                                       int workers) {
  TRY(check(config, weights, options));
  const auto rooms = TRY(make_rooms(config, room_options(weights, options, workers), false));
  return rooms->arena.planned_bytes() + kernels::GemmScratch::planned_bytes(workers);
}

Network::Network(const model::ModelConfig& config, const model::Weights& weights,
                 const Parameters& parameters, const kernels::KernelTable& kernels,
                 Workers& workers, const NetworkOptions& options)
    : config_(config),
      weights_(weights),
      parameters_(parameters),
      kernels_(kernels),
      workers_(workers),
      options_(options) {}

Result<std::unique_ptr<Network>> Network::create(const model::ModelConfig& config,
                                                 const model::Weights& weights,
                                                 const Parameters& parameters,
                                                 const kernels::KernelTable& kernels,
                                                 Workers& workers, const NetworkOptions& options) {
  TRY(check(config, weights, options));
  std::unique_ptr<Network> network(
      new Network(config, weights, parameters, kernels, workers, options));
  for (const model::RopeConfig& rope : config.ropes) {
    const auto factors = model::rope_factors(rope, weights, options.length);
    network->ropes_.push_back(TRY(model::Rope::create(rope, factors)));
  }
  network->rooms_ = TRY(make_rooms(config, room_options(weights, options, workers.count()), true));
  network->scratch_ = TRY(kernels::GemmScratch::create(workers.count()));
  return network;
}

int64_t Network::bytes() const {
  return rooms_->arena.planned_bytes() + kernels::GemmScratch::planned_bytes(workers_.count());
}

Pass Network::pass() const {
  return {config_,  weights_,           parameters_, kernels_, workers_,
          scratch_, options_.precision, *rooms_,     *batch_};
}

Matrix<float> Network::residual_after(int l) const {
  const size_t next = static_cast<size_t>(l) + 1;
  const std::span<float> room =
      next < rooms_->layers.size() ? rooms_->layers[next].in : rooms_->residual;
  return view(room, batch_->rows(), config_.embedding_length);
}

// Where each row's document ends, and how each row is rotated.
void Network::place(const Pass& pass) const {
  const Batch& batch = *batch_;
  for (int s = 0; s < batch.sequences; ++s) {
    int end = batch.length;
    for (int t = batch.length - 1; t >= 0; --t) {
      const size_t row =
          static_cast<size_t>(s) * static_cast<size_t>(batch.length) + static_cast<size_t>(t);
      rooms_->segment_end[row] = end;
      if (batch.visible_begin[row] == t) end = t;
    }
  }
  pass.each_row(pass.rows(), [&](int64_t t) {
    for (size_t i = 0; i < ropes_.size(); ++i) {
      const int pairs = ropes_[i].pairs();
      float* sines = rooms_->sines[i].data() + t * pairs;
      ropes_[i].fill(batch.positions[static_cast<size_t>(t)], rooms_->cosines[i].data() + t * pairs,
                     sines);
      kernels_.scale(sines, -1, pairs, rooms_->back_sines[i].data() + t * pairs);
    }
  });
}

// What the layers begin with, before its norm.
void Network::embed(const Pass& pass, const Matrix<float>& out) const {
  const int64_t width = config_.embedding_length;
  const Matrix<float> added = view(rooms_->normed, pass.rows(), width);
  const auto read = [&](const Tensor& table, int32_t r, float* row) {
    kernels::embed_row(kernels_, table, r, {row, static_cast<size_t>(width)});
  };
  pass.each_row(pass.rows(), [&](int64_t t) {
    float* x = out.row(t);
    read(weights_.token_embedding, batch_->tokens[static_cast<size_t>(t)], x);
    if (config_.embedding_scale != 1) {
      kernels_.scale(x, static_cast<float>(config_.embedding_scale), width, x);
    }
    if (config_.learned_positions != 0) {
      read(weights_.learned_positions, batch_->positions[static_cast<size_t>(t)], added.row(t));
      kernels_.add(x, added.row(t), width, x);
    }
    if (weights_.token_types) {
      read(weights_.token_types, 0, added.row(t));
      kernels_.add(x, added.row(t), width, x);
    }
  });
}

// Columns are divided among the workers: tokens repeat, and their sums keep one order.
void Network::embed_back(const Pass& pass) const {
  constexpr int64_t kColumns = 64;
  float* d_embedding = parameters_.gradient(weights_.token_embedding);
  float* d_positions = parameters_.gradient(weights_.learned_positions);
  float* d_types = parameters_.gradient(weights_.token_types);
  const int64_t width = config_.embedding_length;
  Matrix<float> d_embedded = view(rooms_->d_residual, pass.rows(), width);
  if (weights_.embedding_norm) {
    const Matrix<float> embedded = view(rooms_->branch, pass.rows(), width);
    embed(pass, embedded);
    const Matrix<float> d_normed = d_embedded;
    d_embedded = view(rooms_->d_branch, pass.rows(), width);
    std::fill_n(d_embedded.data, d_embedded.rows * width, 0.0f);
    pass.norm_back(weights_.embedding_norm, embedded, d_normed, d_embedded);
  }
  const float scale = static_cast<float>(config_.embedding_scale);
  workers_.for_each((width + kColumns - 1) / kColumns, 1, [&](int64_t begin, int64_t end, int) {
    const int64_t first = begin * kColumns, count = std::min(width, end * kColumns) - first;
    for (int64_t t = 0; t < pass.rows(); ++t) {
      const float* d = d_embedded.row(t) + first;
      const size_t row = static_cast<size_t>(t);
      if (d_embedding != nullptr) {
        kernels_.add_scaled(d, scale, count, d_embedding + batch_->tokens[row] * width + first);
      }
      if (d_positions != nullptr) {
        kernels_.add_scaled(d, 1, count, d_positions + batch_->positions[row] * width + first);
      }
      if (d_types != nullptr) kernels_.add_scaled(d, 1, count, d_types + first);  // all of type 0
    }
  });
}

Matrix<float> Network::forward(const Batch& batch) {
  CHECK_THAT(batch.sequences <= options_.sequences && batch.length <= options_.length);
  batch_ = &batch;
  const Pass pass = this->pass();
  place(pass);
  const Matrix<float> first = residual_after(-1);
  if (weights_.embedding_norm) {
    const Matrix<float> embedded = view(rooms_->branch, pass.rows(), config_.embedding_length);
    embed(pass, embedded);
    pass.norm(weights_.embedding_norm, embedded, first);
  } else {
    embed(pass, first);
  }
  for (int l = 0; l < static_cast<int>(config_.layers.size()); ++l) {
    run_layer(pass, l, residual_after(l));
  }
  const Matrix<float> last = residual_after(static_cast<int>(config_.layers.size()) - 1);
  if (weights_.output_norm) {
    pass.norm(weights_.output_norm, last, hidden());
  } else {
    std::copy_n(last.data, last.rows * last.columns, hidden().data);
  }
  return hidden();
}

Matrix<float> Network::hidden() const {
  return view(rooms_->hidden, batch_->rows(), config_.embedding_length);
}

Matrix<float> Network::hidden_gradient() {
  return view(rooms_->d_hidden, batch_->rows(), config_.embedding_length);
}

void Network::backward() {
  const Pass pass = this->pass();
  const int layers = static_cast<int>(config_.layers.size());
  const Matrix<float> d_residual = view(rooms_->d_residual, pass.rows(), config_.embedding_length);
  const int64_t numbers = d_residual.rows * d_residual.columns;
  if (weights_.output_norm) {
    std::fill_n(d_residual.data, numbers, 0.0f);
    pass.norm_back(weights_.output_norm, residual_after(layers - 1), hidden_gradient(), d_residual);
  } else {
    std::copy_n(hidden_gradient().data, numbers, d_residual.data);
  }
  for (int l = layers - 1; l >= 0; --l) {
    // The last layer's tape is still there; what it gave is needed no more.
    if (options_.recompute && l != layers - 1) {
      run_layer(pass, l, view(rooms_->residual, pass.rows(), config_.embedding_length));
    }
    run_layer_back(pass, l, options_.balance);
  }
  embed_back(pass);
}

std::vector<const model::Linear*> Network::head() const {
  std::vector<const model::Linear*> matrices;
  for (const model::Linear* linear : {&weights_.head.first_dense, &weights_.head.second_dense}) {
    if (linear->weight) matrices.push_back(linear);
  }
  return matrices;
}

void Network::project(const model::Linear& linear, const Matrix<float>& in,
                      const Matrix<float>& out) const {
  pass().project(in, {{linear, out}});
}

void Network::project_back(const model::Linear& linear, const Matrix<float>& in,
                           const Matrix<float>& d_out, const Matrix<float>& d_in) const {
  pass().project_back(linear, in, d_out, d_in, false);
}

double Network::balance() const {
  double sum = 0;
  for (int l = 0; l < static_cast<int>(config_.layers.size()); ++l) {
    if (pass().layer(l).feed_forward == model::FeedForwardKind::Mixture) {
      sum += balance_loss(pass(), l, {});
    }
  }
  return sum;
}

void Network::loads(int l, std::span<double> shares) const { balance_loss(pass(), l, shares); }

}  // namespace issun::train
