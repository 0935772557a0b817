// Routers of a mixture-of-experts model that send tokens where counts of a real one say: the rows
// are fitted to the tokens' embeddings, so that whoever multiplies by them chooses alike.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/threads.h"
#include "measure/routing_counts.h"

namespace issun::measure {

struct RouterShape {
  int layers = 0, experts = 0, used = 0;
  int embedding = 0, vocabulary = 0;
};

// Power of what the layers add to a token's embedding, against that of the embedding itself, which
// the fit reckons with.
constexpr double kContextPower = 0.4;

// The score of expert e for token t is to be log P(e | t), P being the share of the token's visits,
// smoothed by the shares of all tokens' visits. Rows w minimise, over the kMostFitted most frequent
// tokens,
//   sum of frequency(t) (w . x(t) - score(t))^2 + kContextPower |w|^2
// for embeddings x(t) of mean square 1: the power of the context is the ridge (what noise in x
// costs on average, Bishop 1995). Tokens without counts, and those beyond, get whatever that gives.
// Layer l of n has the counts of sampled layer floor(l s / n) of s, its experts in an order of its
// own; with more experts than the counts have, the further ones are those of the sampled layers
// after that one, in turn. All scores of a sampled layer are scaled so that the best of those
// chosen has a share of 1 / used + 0.1 on average.
class Routers {
 public:
  static constexpr int kMostFitted = 4096;

  // Error: a token outside the vocabulary, counts of more experts than there are, or too few
  // sampled layers to make as many experts from.
  static Result<Routers> plan(const RoutingCounts& counts, const RouterShape& shape);

  // Whose embeddings fit() wants, the most frequent first.
  std::span<const int32_t> tokens() const { return tokens_; }
  // embeddings: (tokens, embedding). Bits do not depend on the workers. Error: rows of zeros, or a
  // system that cannot be solved.
  Result<void> fit(std::span<const float> embeddings, Workers& workers);
  // The router of a layer, (experts, embedding), which reads rows normed and times `gains`. `seed`
  // chooses the order of the experts.
  std::vector<float> rows(int layer, uint64_t seed, std::span<const float> gains) const;

  // The expert of the counts that each expert of a layer stands for.
  struct Source {
    int sampled = 0, expert = 0;
  };
  std::vector<Source> sources(int layer, uint64_t seed) const;

 private:
  size_t column(const Source& source) const {
    return static_cast<size_t>(source.sampled * counted_ + source.expert);
  }
  size_t columns() const { return static_cast<size_t>(sampled_ * counted_); }
  int sampled_of(int layer) const { return layer * sampled_ / shape_.layers; }
  Source source(int first_sampled, int expert) const;
  void set_scores(const RoutingCounts& counts);
  void choose_scales(std::vector<double> fitted);

  RouterShape shape_;
  int sampled_ = 0;
  int counted_ = 0;  // experts of a sampled layer
  std::vector<int32_t> tokens_;
  std::vector<double> frequencies_;  // add up to 1
  std::vector<double> scores_;       // (tokens, sampled, counted)
  std::vector<double> weights_;      // (embedding, sampled, counted)
  std::vector<double> scales_;       // of layers that begin with a sampled one
};

}  // namespace issun::measure
