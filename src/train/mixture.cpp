#include "train/mixture.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "model/layer/mixture.h"
#include "train/feed_forward.h"

namespace issun::train {

namespace {

// Which experts each token visits, with which shares, and in which slots.
void route(const Pass& pass, int l, const Matrix<float>& in) {
  const model::MixtureConfig& config = pass.layer(l).mixture;
  const model::MixtureWeights& weights = pass.layer_weights(l).mixture;
  const MixtureTape& tape = pass.tape(l).mixture;
  const Matrix<float> scores = view(tape.scores, in.rows, config.experts);
  const size_t used = static_cast<size_t>(config.used);
  const float* bias = weights.selection_bias ? weights.selection_bias.floats() : nullptr;
  pass.project(in, {{weights.router, scores}});
  pass.each_row(in.rows, [&](int64_t t) {
    const size_t first = static_cast<size_t>(t) * used;
    model::choose_experts(config, bias, {scores.row(t), static_cast<size_t>(config.experts)},
                          tape.chosen.subspan(first, used), tape.shares.subspan(first, used));
  });
  model::assign_slots(tape.chosen.first(static_cast<size_t>(in.rows) * used), tape.ends,
                      tape.slots);
}

// A token's probabilities, which add up to 1, from the scores as choose_experts() leaves them.
void probabilities(const Pass& pass, const model::MixtureConfig& config,
                   std::span<const float> scores, std::span<float> out) {
  std::copy(scores.begin(), scores.end(), out.begin());
  if (config.router == model::Router::SoftmaxOfChosen) {
    pass.kernels.softmax(out.data(), static_cast<int>(out.size()));
  }
  if (config.router == model::Router::Sigmoid) {
    float sum = 0;
    for (const float p : scores) sum += p;
    for (float& p : out) p /= sum;
  }
}

// The mean probability of each expert. In double precision and in the order of the rows.
void find_means(const Pass& pass, int l) {
  const model::MixtureConfig& config = pass.layer(l).mixture;
  const MixtureTape& tape = pass.tape(l).mixture;
  const size_t experts = static_cast<size_t>(config.experts);
  const Matrix<float> scores = view(tape.scores, pass.rows(), config.experts);
  std::fill(tape.means.begin(), tape.means.end(), 0.0);
  float shares[kMostExperts];
  for (int64_t t = 0; t < pass.rows(); ++t) {
    probabilities(pass, config, {scores.row(t), experts}, {shares, experts});
    for (size_t e = 0; e < experts; ++e) tape.means[e] += double{shares[e]};
  }
  for (double& mean : tape.means) mean /= static_cast<double>(pass.rows());
}

// What the tokens give to their slots.
void fill_slots(const Pass& pass, int l, const Matrix<float>& in) {
  const int64_t used = pass.layer(l).mixture.used;
  const MixtureTape& tape = pass.tape(l).mixture;
  const Matrix<float> slots = view(pass.rooms.slots_in, in.rows * used, in.columns);
  pass.each_row(in.rows * used, [&](int64_t v) {
    std::memcpy(slots.row(tape.slots[static_cast<size_t>(v)]), in.row(v / used),
                static_cast<size_t>(in.columns) * sizeof(float));
  });
}

// body(expert's weights, first slot, slots) for each expert that has visits.
template <class Body>
void each_expert(const Pass& pass, int l, Body&& body) {
  const model::MixtureWeights& weights = pass.layer_weights(l).mixture;
  const MixtureTape& tape = pass.tape(l).mixture;
  for (size_t e = 0; e < weights.experts.size(); ++e) {
    const int64_t begin = e == 0 ? 0 : tape.ends[e - 1], count = tape.ends[e] - begin;
    if (count != 0) body(weights.experts[e], begin, count);
  }
}

Matrix<float> some(const Matrix<float>& rows, int64_t first, int64_t count) {
  return {rows.data != nullptr ? rows.row(first) : nullptr, count, rows.columns, rows.stride};
}

struct InsideSlots {
  Matrix<float> in, gate, up, activated, out;
};
InsideSlots inside_slots(const Pass& pass, int l, int64_t slots) {
  const MixtureTape& tape = pass.tape(l).mixture;
  const int64_t length = pass.layer(l).mixture.length, width = pass.config.embedding_length;
  return {view(pass.rooms.slots_in, slots, width), view(tape.gate, slots, length),
          view(tape.up, slots, length), view(pass.rooms.activated, slots, length),
          view(tape.out, slots, width)};
}

// From the slopes of a token's shares (which become those of the scores behind them) to those of
// what the router gave: the way back through choose_experts(). `scores` are as that leaves them.
void route_back(const model::MixtureConfig& config, std::span<const int32_t> chosen,
                std::span<const float> shares, std::span<const float> scores,
                std::span<float> slopes, std::span<float> d_scores) {
  constexpr float kLeastSum = 0x1p-14f;  // as choose_experts() clamps it
  const float scale = static_cast<float>(config.scale);
  float sum = 0, weighted = 0;
  for (size_t k = 0; k < chosen.size(); ++k) {
    sum += scores[static_cast<size_t>(chosen[k])];
    weighted += slopes[k] * shares[k];
  }
  if (config.router == model::Router::SoftmaxOfChosen) {
    for (size_t k = 0; k < chosen.size(); ++k) {
      d_scores[static_cast<size_t>(chosen[k])] = shares[k] * (slopes[k] - weighted / scale);
    }
    return;
  }
  float mean = 0;  // of the slopes, by the probabilities
  for (size_t k = 0; k < chosen.size(); ++k) {
    if (!config.renormalise) {
      slopes[k] *= scale;
    } else if (sum > kLeastSum) {
      slopes[k] = (slopes[k] * scale - weighted) / sum;
    } else {
      slopes[k] *= scale / kLeastSum;
    }
    mean += slopes[k] * scores[static_cast<size_t>(chosen[k])];
  }
  if (config.router == model::Router::Softmax) {
    for (size_t e = 0; e < scores.size(); ++e) d_scores[e] = -mean * scores[e];
  }
  for (size_t k = 0; k < chosen.size(); ++k) {
    const size_t e = static_cast<size_t>(chosen[k]);
    const float p = scores[e];
    d_scores[e] += slopes[k] * (config.router == model::Router::Sigmoid ? p * (1 - p) : p);
  }
}

// Adds the slope of the balance loss, in which each probability counts by the load of its expert.
void add_balance_slope(const Pass& pass, int l, std::span<const double> loads, double factor) {
  const model::MixtureConfig& config = pass.layer(l).mixture;
  const Matrix<float> all = view(pass.tape(l).mixture.scores, pass.rows(), config.experts);
  const Matrix<float> d_scores = view(pass.rooms.d_scores, pass.rows(), config.experts);
  const size_t experts = static_cast<size_t>(config.experts);
  pass.each_row(pass.rows(), [&](int64_t t) {
    const std::span<const float> scores{all.row(t), experts};
    float shares[kMostExperts];
    probabilities(pass, config, scores, {shares, experts});
    double mean = 0, sum = 0;
    for (size_t e = 0; e < experts; ++e) {
      mean += shares[e] * loads[e];
      sum += scores[e];
    }
    for (size_t e = 0; e < experts; ++e) {
      const double slope = factor * (loads[e] - mean);
      const double p = scores[e];
      d_scores.row(t)[e] += static_cast<float>(
          slope * (config.router == model::Router::Sigmoid ? p * (1 - p) / sum : shares[e]));
    }
  });
}

// Of each visit: its slope, and in its slot the gradient of what the expert gave.
void shares_back(const Pass& pass, int l, const Matrix<float>& d_out) {
  const model::MixtureConfig& config = pass.layer(l).mixture;
  const MixtureTape& tape = pass.tape(l).mixture;
  const size_t used = static_cast<size_t>(config.used);
  const Matrix<float> out = view(tape.out, d_out.rows * config.used, d_out.columns);
  const Matrix<float> d_slots = view(pass.rooms.slots_gradient, out.rows, out.columns);
  const Matrix<float> scores = view(tape.scores, d_out.rows, config.experts);
  const Matrix<float> d_scores = view(pass.rooms.d_scores, d_out.rows, config.experts);
  const int width = static_cast<int>(d_out.columns);
  pass.each_row(d_out.rows, [&](int64_t t) {
    const size_t first = static_cast<size_t>(t) * used;
    float slopes[kMostExperts];
    for (size_t k = 0; k < used; ++k) {
      const int64_t slot = tape.slots[first + k];
      slopes[k] = pass.kernels.dot(d_out.row(t), out.row(slot), width);
      std::memset(d_slots.row(slot), 0, static_cast<size_t>(width) * sizeof(float));
      pass.kernels.add_scaled(d_out.row(t), tape.shares[first + k], width, d_slots.row(slot));
    }
    const size_t experts = static_cast<size_t>(config.experts);
    std::fill_n(d_scores.row(t), experts, 0.0f);
    route_back(config, tape.chosen.subspan(first, used), tape.shares.subspan(first, used),
               {scores.row(t), experts}, {slopes, used}, {d_scores.row(t), experts});
  });
}

}  // namespace

void mixture(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& out) {
  const model::LayerConfig& layer = pass.layer(l);
  const MixtureTape& tape = pass.tape(l).mixture;
  const int64_t used = layer.mixture.used;
  const InsideSlots slots = inside_slots(pass, l, in.rows * used);
  route(pass, l, in);
  find_means(pass, l);
  fill_slots(pass, l, in);
  each_expert(pass, l, [&](const model::FeedForwardWeights& weights, int64_t first, int64_t count) {
    const Matrix<float> rows = some(slots.in, first, count), up = some(slots.up, first, count);
    const Matrix<float> gate = some(slots.gate, first, count);
    const Matrix<float> activated = some(slots.activated, first, count);
    if (gate.data != nullptr) {
      pass.project(rows, {{weights.gate, gate}, {weights.up, up}});
    } else {
      pass.project(rows, {{weights.up, up}});
    }
    activate(pass, layer.activation, gate, up, activated);
    pass.project(activated, {{weights.down, some(slots.out, first, count)}});
  });
  pass.each_row(in.rows, [&](int64_t t) {
    std::memset(out.row(t), 0, static_cast<size_t>(out.columns) * sizeof(float));
    for (int64_t v = t * used; v < (t + 1) * used; ++v) {
      pass.kernels.add_scaled(slots.out.row(tape.slots[static_cast<size_t>(v)]),
                              tape.shares[static_cast<size_t>(v)], out.columns, out.row(t));
    }
  });
}

void mixture_back(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& d_out,
                  const Matrix<float>& d_in, double balance) {
  const model::LayerConfig& layer = pass.layer(l);
  const MixtureTape& tape = pass.tape(l).mixture;
  const int64_t used = layer.mixture.used;
  const InsideSlots slots = inside_slots(pass, l, in.rows * used);
  const Matrix<float> d_slots = view(pass.rooms.slots_gradient, slots.in.rows, in.columns);
  const Matrix<float> d_activated =
      view(pass.rooms.d_activated, slots.in.rows, layer.mixture.length);
  fill_slots(pass, l, in);
  shares_back(pass, l, d_out);
  if (balance != 0) {
    double loads[kMostExperts];
    balance_loss(pass, l, {loads, static_cast<size_t>(layer.mixture.experts)});
    const double factor = balance * layer.mixture.experts / static_cast<double>(in.rows);
    add_balance_slope(pass, l, {loads, static_cast<size_t>(layer.mixture.experts)}, factor);
  }
  each_expert(pass, l, [&](const model::FeedForwardWeights& weights, int64_t first, int64_t count) {
    const Matrix<float> rows = some(slots.in, first, count), up = some(slots.up, first, count);
    const Matrix<float> gate = some(slots.gate, first, count);
    const Matrix<float> activated = some(slots.activated, first, count);
    const Matrix<float> d_inner = some(d_activated, first, count);
    const Matrix<float> d_rows = some(d_slots, first, count);
    activate(pass, layer.activation, gate, up, activated);
    pass.project_back(weights.down, activated, d_rows, d_inner, false);
    activate_back(pass, layer.activation, d_inner, gate, up);
    // What the expert gave is needed no more: its room takes what its input gets back.
    if (gate.data != nullptr) pass.project_back(weights.gate, rows, gate, d_rows, false);
    pass.project_back(weights.up, rows, up, d_rows, gate.data != nullptr);
  });
  const Matrix<float> d_scores = view(pass.rooms.d_scores, in.rows, layer.mixture.experts);
  pass.project_back(pass.layer_weights(l).mixture.router, in, d_scores, d_in, false);
  pass.each_row(in.rows, [&](int64_t t) {
    for (int64_t v = t * used; v < (t + 1) * used; ++v) {
      const float* row = d_slots.row(tape.slots[static_cast<size_t>(v)]);
      pass.kernels.add(d_in.row(t), row, in.columns, d_in.row(t));
    }
  });
}

double balance_loss(const Pass& pass, int l, std::span<double> loads) {
  const model::MixtureConfig& config = pass.layer(l).mixture;
  const MixtureTape& tape = pass.tape(l).mixture;
  const double visits = static_cast<double>(pass.rows()) * config.used;
  double loss = 0;
  for (size_t e = 0; e < tape.ends.size(); ++e) {
    const int64_t own = tape.ends[e] - (e == 0 ? 0 : tape.ends[e - 1]);
    const double load = static_cast<double>(own) / visits;
    if (!loads.empty()) loads[e] = load;
    loss += load * tape.means[e];
  }
  return loss * config.experts;
}

}  // namespace issun::train
