#include "model/layer/expect.h"

#include <algorithm>

#include "model/layer/mixture.h"
#include "model/layer/pass.h"

namespace issun::model {

namespace {

// (rows, experts): what the router of layer `next` makes of the residual as it is now.
Matrix<float> scores_ahead(const Pass& pass, int next) {
  const LayerWeights& weights = pass.layer_weights(next);
  const MixtureConfig& config = pass.layer(next).mixture;
  const int64_t width = pass.config.embedding_length;
  const Matrix<float> residual = view(pass.buffers.residual, pass.rows(), width);
  const Matrix<float> rows = view(pass.buffers.mixture.ahead.rows, pass.rows(), width);
  const Matrix<float> scores = view(pass.buffers.mixture.ahead.scores, pass.rows(), config.experts);
  if (config.beside_dense) {
    normed_to_length_1(pass, weights.mixture.router_norm, residual, rows);
  } else if (weights.before_feed_forward) {
    pass.norm(weights.before_feed_forward, residual, rows);
  }
  const bool normed = config.beside_dense || weights.before_feed_forward;
  pass.project(normed ? rows : residual, {{weights.mixture.router, scores}});
  return scores;
}

int next_mixture(const Pass& pass, int l) {
  const int layers = static_cast<int>(pass.config.layers.size());
  for (int next = l + 1; next < layers; ++next) {
    if (pass.layer(next).feed_forward == FeedForwardKind::Mixture) return next;
  }
  return -1;
}

// Puts the first `most` guesses of each row behind `guesses`, those of most rows first.
void append_guesses(const Pass& pass, int next, int distance, size_t most,
                    std::vector<Residency::Guess>& guesses) {
  const MixtureConfig& config = pass.layer(next).mixture;
  const AheadRoom& room = pass.buffers.mixture.ahead;
  const Tensor& selection_bias = pass.layer_weights(next).mixture.selection_bias;
  const float* bias = selection_bias ? selection_bias.floats() : nullptr;
  const Matrix<float> scores = scores_ahead(pass, next);
  const std::span<int32_t> counts = room.counts.first(static_cast<size_t>(config.experts));
  const std::span<int32_t> chosen = room.chosen.first(static_cast<size_t>(config.used));
  const std::span<float> shares = room.shares.first(static_cast<size_t>(config.used));
  std::fill(counts.begin(), counts.end(), 0);
  for (int64_t t = 0; t < scores.rows; ++t) {
    choose_experts(config, bias, {scores.row(t), static_cast<size_t>(config.experts)}, chosen,
                   shares);
    if (pass.routing != nullptr && t == 0 && distance <= pass.routing->lookahead())
      pass.routing->guessed(next, distance, chosen);
    // The first guess of a row counts more than its second.
    for (size_t k = 0; k < std::min(most, chosen.size()); ++k)
      counts[static_cast<size_t>(chosen[k])] += static_cast<int32_t>(chosen.size() - k);
  }
  for (;;) {
    const auto best = std::max_element(counts.begin(), counts.end());
    if (*best == 0) return;
    *best = 0;
    guesses.push_back({next, static_cast<int>(best - counts.begin())});
  }
}

}  // namespace

void need_experts(const Pass& pass, int l, std::span<const int> experts) {
  const MixtureRoom& room = pass.buffers.mixture;
  auto& uses = pass.buffers.uses;
  uses.clear();
  for (const int e : experts) {
    const int64_t begin = e == 0 ? 0 : room.ends[static_cast<size_t>(e) - 1];
    uses.push_back({e, static_cast<int>(room.ends[static_cast<size_t>(e)] - begin)});
  }
  pass.residency->need(l, uses);
}

void guess_ahead(const Pass& pass, int l) {
  const Residency* const residency = pass.residency;
  const bool reads = residency != nullptr && residency->options().guesses != 0 &&
                     residency->options().missing != Missing::Twin;
  // Who looks at products would see those of the guesses.
  if (pass.observer != nullptr || (!reads && pass.routing == nullptr)) return;
  const Timed timed(pass.profile, Step::Waiting);
  auto& guesses = pass.buffers.guesses;
  guesses.clear();
  const int lookahead = std::max(reads ? residency->options().lookahead : 0,
                                 pass.routing != nullptr ? pass.routing->lookahead() : 0);
  // kAsUsed becomes more than any mixture uses.
  const size_t most = reads ? static_cast<size_t>(residency->options().guesses) : 0;
  int next = l;
  for (int distance = 1; distance <= lookahead; ++distance) {
    next = next_mixture(pass, next);
    if (next < 0) break;
    if (pass.rows() <= kMostGuessedRows) {
      const bool read = reads && distance <= residency->options().lookahead;
      append_guesses(pass, next, distance, read ? most : 0, guesses);
    } else if (reads && distance == 1 && residency->streams(next)) {
      for (int e = 0; e < pass.layer(next).mixture.experts; ++e) guesses.push_back({next, e});
    }
  }
  if (reads) pass.residency->expect(guesses);
}

}  // namespace issun::model
