// The forward pass in plain loops of double precision, a whole text at once and without a cache:
// the oracle for tests. It reads the same facts as the real one and shares no step with it.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "model/config.h"
#include "model/weights.h"
#include "tensor/codec.h"

namespace issun::model {

class Reference {
 public:
  using Row = std::vector<double>;

  Reference(const ModelConfig& config, const Weights& weights)
      : config_(config), weights_(weights) {}

  // (tokens, vocabulary), row after row.
  std::vector<float> logits(const std::vector<int32_t>& tokens) const {
    const Row all = double_logits(tokens);
    return {all.begin(), all.end()};
  }
  Row double_logits(const std::vector<int32_t>& tokens) const {
    std::vector<Row> rows;
    for (size_t t = 0; t < tokens.size(); ++t) {
      Row x = decode(weights_.token_embedding, tokens[t]);
      for (double& v : x) v *= config_.embedding_scale;
      if (config_.learned_positions != 0) {
        add(x, decode(weights_.learned_positions, static_cast<int64_t>(t)), 1);
      }
      if (weights_.token_types) add(x, decode(weights_.token_types, 0), 1);
      rows.push_back(norm(weights_.embedding_norm, x));
    }
    for (size_t l = 0; l < config_.layers.size(); ++l) run_layer(l, rows);
    Row all;
    for (const Row& row : rows) {
      for (double v : multiply(weights_.output, norm(weights_.output_norm, row))) {
        v *= config_.logit_scale;
        if (config_.logit_softcap != 0) {
          v = config_.logit_softcap * std::tanh(v / config_.logit_softcap);
        }
        all.push_back(v);
      }
    }
    return all;
  }

 private:
  static Row decode(const Tensor& tensor, int64_t r) {
    std::vector<float> row(static_cast<size_t>(tensor.columns()));
    decode_row(tensor.type, tensor.row(r), tensor.columns(), row.data());
    return Row(row.begin(), row.end());
  }
  static void add(Row& sum, const Row& x, double factor) {
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += factor * x[i];
  }
  static Row multiply(const Linear& linear, const Row& x) {
    Row out;
    for (int64_t r = 0; r < linear.weight.rows(); ++r) {
      const Row w = decode(linear.weight, r);
      double sum = linear.bias ? linear.bias.floats()[r] : 0.0;
      for (size_t i = 0; i < x.size(); ++i) sum += w[i] * x[i];
      out.push_back(sum);
    }
    return out;
  }

  Row norm(const Norm& norm, const Row& x) const {
    if (!norm) return x;
    double mean = 0, square = 0;
    const double n = static_cast<double>(x.size());
    if (config_.norm == NormKind::Layer) {
      for (const double v : x) mean += v / n;
    }
    for (const double v : x) square += (v - mean) * (v - mean) / n;
    Row out;
    for (size_t i = 0; i < x.size(); ++i) {
      out.push_back((x[i] - mean) / std::sqrt(square + config_.norm_epsilon) *
                        static_cast<double>(norm.gains.floats()[i]) +
                    (norm.bias ? static_cast<double>(norm.bias.floats()[i]) : 0.0));
    }
    return out;
  }

  static double silu(double x) { return x / (1 + std::exp(-x)); }
  static double gelu(double x) {
    return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  }
  static double bend(Activation activation, double gate, double up) {
    switch (activation) {
      case Activation::Silu:
        return silu(gate) * up;
      case Activation::Gelu:
        return gelu(gate) * up;
      case Activation::ClampedSilu:
        break;
    }
    gate = std::min(gate, 7.0);
    return gate / (1 + std::exp(-1.702 * gate)) * (std::min(7.0, std::max(-7.0, up)) + 1);
  }

  void run_layer(size_t l, std::vector<Row>& rows) const {
    const LayerConfig& layer = config_.layers[l];
    const LayerWeights& weights = weights_.layers[l];
    std::vector<Row> read;
    for (const Row& row : rows) read.push_back(norm(weights.before_mixer, row));
    const std::vector<Row> mixed = attend(layer, weights.attention, read);
    for (size_t t = 0; t < rows.size(); ++t) {
      add_half(layer, weights.after_mixer, mixed[t], rows[t]);
      const Row x = layer.parallel ? read[t] : norm(weights.before_feed_forward, rows[t]);
      const Row fed = layer.feed_forward == FeedForwardKind::Mixture
                          ? mix(layer, weights.mixture, x, rows[t])
                          : feed(layer, weights.feed_forward, x);
      add_half(layer, weights.after_feed_forward, fed, rows[t]);
    }
  }

  void add_half(const LayerConfig& layer, const Norm& after, const Row& given, Row& row) const {
    add(row, layer.norms_sum ? given : norm(after, given), config_.residual_scale);
    if (layer.norms_sum) row = norm(after, row);
  }

  Row feed(const LayerConfig& layer, const FeedForwardWeights& weights, const Row& x) const {
    Row up = multiply(weights.up, x);
    if (weights.gate.weight) {
      const Row gate = multiply(weights.gate, x);
      for (size_t i = 0; i < up.size(); ++i) up[i] = bend(layer.activation, gate[i], up[i]);
    } else {
      for (double& v : up) v = bend(layer.activation, v, 1);
    }
    return multiply(weights.down, up);
  }

  // Whether each expert lies outside of the groups that may be chosen from.
  template <class Rank>
  static std::vector<bool> outside_groups(const MixtureConfig& m, const Rank& rank) {
    std::vector<bool> outside(static_cast<size_t>(m.experts));
    if (m.groups == 1) return outside;
    const size_t size = outside.size() / static_cast<size_t>(m.groups);
    std::vector<std::pair<double, size_t>> groups;
    for (size_t first = 0; first < outside.size(); first += size) {
      Row ranks;
      for (size_t e = first; e < first + size; ++e) ranks.push_back(-rank(e));
      std::sort(ranks.begin(), ranks.end());
      groups.emplace_back(ranks[0] + ranks[1], first);
    }
    std::sort(groups.begin(), groups.end());
    for (size_t g = static_cast<size_t>(m.groups_used); g < groups.size(); ++g) {
      for (size_t e = 0; e < size; ++e) outside[groups[g].second + e] = true;
    }
    return outside;
  }

  // What the router reads beside a dense half: of length 1 but for the gains.
  Row for_router(const MixtureWeights& weights, const Row& residual) const {
    double square = 0;
    for (const double v : residual) square += v * v;
    square += static_cast<double>(residual.size()) * config_.norm_epsilon;
    Row out;
    for (size_t i = 0; i < residual.size(); ++i) {
      out.push_back(residual[i] / std::sqrt(square) *
                    static_cast<double>(weights.router_norm.gains.floats()[i]));
    }
    return out;
  }

  Row mix(const LayerConfig& layer, const MixtureWeights& weights, const Row& x,
          const Row& residual) const {
    const MixtureConfig& m = layer.mixture;
    const Row scores = multiply(weights.router, m.beside_dense ? for_router(weights, residual) : x);
    Row shares;
    double all = 0;
    for (const double score : scores) all += std::exp(score);
    for (const double score : scores) {
      shares.push_back(m.router == Router::Softmax   ? std::exp(score) / all
                       : m.router == Router::Sigmoid ? 1 / (1 + std::exp(-score))
                                                     : std::exp(score));
    }
    const auto rank = [&](size_t e) {
      return shares[e] + (weights.selection_bias
                              ? static_cast<double>(weights.selection_bias.floats()[e])
                              : 0.0);
    };
    std::vector<bool> taken = outside_groups(m, rank);
    std::vector<size_t> chosen;
    double sum = 0;
    while (static_cast<int>(chosen.size()) < m.used) {
      size_t best = scores.size();
      for (size_t e = 0; e < scores.size(); ++e) {
        if (!taken[e] && (best == scores.size() || rank(e) > rank(best))) best = e;
      }
      taken[best] = true;
      chosen.push_back(best);
      sum += shares[best];
    }
    const bool divides = m.renormalise || m.router == Router::SoftmaxOfChosen;
    const Row read = m.beside_dense ? norm(weights.before_experts, residual) : x;
    Row out(x.size());
    for (const size_t e : chosen) {
      const double scale = weights.scales ? weights.scales.floats()[e] : 1.0;
      const double share = shares[e] / (divides ? std::max(sum, std::exp2(-14)) : 1) * m.scale;
      add(out, feed(layer, weights.experts[e], read), share * scale);
    }
    if (m.beside_dense) {
      const Row beside = norm(weights.after_shared, feed(layer, weights.shared, x));
      out = norm(weights.after_experts, out);
      add(out, beside, 1);
      return out;
    }
    if (m.shared_length != 0) {
      const Linear& gate = weights.shared_gate;
      const double share = gate.weight ? 1 / (1 + std::exp(-multiply(gate, x)[0])) : 1;
      add(out, feed(layer, weights.shared, x), share);
    }
    return out;
  }

  // The part of `row` that is head h, normed and rotated.
  Row head(const LayerConfig& layer, const Norm& gains, const Row& row, int h, int width,
           size_t position) const {
    Row x(row.begin() + h * width, row.begin() + (h + 1) * width);
    if (layer.qk_norm == QkNorm::Head) x = norm(gains, x);
    if (layer.rope == kNoRope) return x;
    const RopeConfig& rope = config_.ropes[static_cast<size_t>(layer.rope)];
    const Row old = x;
    for (int i = 0; i < rope.dimensions / 2; ++i) {
      const double angle = static_cast<double>(position) *
                           std::pow(rope.base, -2.0 * i / rope.dimensions) / rope.factor;
      const bool halves = rope.pairing == RopePairing::Halves;
      const size_t a = static_cast<size_t>(halves ? i : 2 * i);
      const size_t b = static_cast<size_t>(halves ? i + rope.dimensions / 2 : 2 * i + 1);
      x[a] = (old[a] * std::cos(angle) - old[b] * std::sin(angle)) * rope.attention_factor;
      x[b] = (old[a] * std::sin(angle) + old[b] * std::cos(angle)) * rope.attention_factor;
    }
    return x;
  }

  // Whether a token sees the one so many positions before it (after it: negative).
  bool sees(const LayerConfig& layer, int distance) const {
    if (config_.causal) return distance >= 0 && (layer.window == 0 || distance < layer.window);
    return layer.window == 0 || std::abs(distance) <= layer.window / 2;
  }

  // ALiBi (Press et al. 2022): a geometric row for the largest power of two of heads, then every
  // other one of the row twice as long.
  static double slope(const LayerConfig& layer, int h) {
    if (layer.alibi == 0) return 0;
    int power = 1;
    while (power * 2 <= layer.heads) power *= 2;
    const auto of_row = [&](int i, int n) { return std::exp2(-layer.alibi * (i + 1) / n); };
    return h < power ? of_row(h, power) : of_row(2 * (h - power), 2 * power);
  }

  std::vector<Row> attend(const LayerConfig& layer, const AttentionWeights& weights,
                          const std::vector<Row>& read) const {
    std::vector<Row> queries, keys, values, out;
    const bool whole = layer.qk_norm == QkNorm::Whole;
    for (const Row& x : read) {
      queries.push_back(multiply(weights.query, x));
      keys.push_back(multiply(weights.key, x));
      values.push_back(multiply(weights.value, x));
      if (whole) queries.back() = norm(weights.query_norm, queries.back());
      if (whole) keys.back() = norm(weights.key_norm, keys.back());
    }
    for (size_t t = 0; t < read.size(); ++t) {
      Row joined;
      const double grown =
          1 + config_.query_growth *
                  std::log(1 + std::floor(static_cast<double>(t) / config_.query_growth_length));
      for (int h = 0; h < layer.heads; ++h) {
        const int shared = h / (layer.heads / layer.kv_heads);
        const Row q = head(layer, weights.query_norm, queries[t], h, layer.key_width, t);
        double sum = layer.sinks ? std::exp(static_cast<double>(weights.sinks.floats()[h])) : 0.0;
        Row seen(static_cast<size_t>(layer.value_width));
        for (size_t s = 0; s < read.size(); ++s) {
          const int distance = static_cast<int>(t) - static_cast<int>(s);
          if (!sees(layer, distance)) continue;
          const Row k = head(layer, weights.key_norm, keys[s], shared, layer.key_width, s);
          double score = 0;
          for (size_t i = 0; i < q.size(); ++i) score += q[i] * k[i];
          score *= layer.attention_scale * grown;
          const double cap = layer.attention_softcap;
          if (cap != 0) score = cap * std::tanh(score / cap);
          score -= slope(layer, h) * std::abs(distance);
          sum += std::exp(score);
          for (size_t i = 0; i < seen.size(); ++i) {
            seen[i] +=
                std::exp(score) * values[s][static_cast<size_t>(shared * layer.value_width) + i];
          }
        }
        for (const double v : seen) joined.push_back(v / sum);
      }
      out.push_back(multiply(weights.output, joined));
    }
    return out;
  }

  const ModelConfig& config_;
  const Weights& weights_;
};

}  // namespace issun::model
