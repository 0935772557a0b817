#include "measure/routers.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "base/check.h"
#include "measure/random_rows.h"
#include "measure/ridge.h"

namespace issun::measure {

namespace {

// How much of the shares of all tokens' visits is in those of each: a part of the whole, so that no
// logarithm is far below the others, and some visits, so that few of a token's own say little.
constexpr double kSmoothed = 0.1, kPriorVisits = 4;

// The mean share of the best among those chosen, softmax over the chosen alone.
double best_share(std::span<const double> scores, std::span<const double> frequencies, int used,
                  double scale) {
  const size_t experts = scores.size() / frequencies.size();
  std::vector<double> row(experts);
  double mean = 0;
  for (size_t t = 0; t < frequencies.size(); ++t) {
    std::copy_n(scores.begin() + static_cast<std::ptrdiff_t>(t * experts), experts, row.begin());
    std::partial_sort(row.begin(), row.begin() + used, row.end(), std::greater<>());
    double sum = 0;
    for (int k = 0; k < used; ++k) sum += std::exp(scale * (row[static_cast<size_t>(k)] - row[0]));
    mean += frequencies[t] / sum;
  }
  return mean;
}

}  // namespace

Result<Routers> Routers::plan(const RoutingCounts& counts, const RouterShape& shape) {
  if (counts.tokens > shape.vocabulary) {
    return fail("counts: expected tokens below {}, found {}", shape.vocabulary, counts.tokens - 1);
  }
  if (counts.experts > shape.experts) {
    return fail("counts: expected experts below {}, found {}", shape.experts, counts.experts - 1);
  }
  Routers routers;
  routers.shape_ = shape;
  routers.sampled_ = static_cast<int>(counts.layers.size());
  // An expert at the end may have met no token.
  routers.counted_ = counts.experts;
  while (shape.experts % routers.counted_ != 0) ++routers.counted_;
  if (shape.experts / routers.counted_ > routers.sampled_) {
    return fail("counts: expected {} sampled layers to make {} experts of {} a layer, found {}",
                shape.experts / routers.counted_, shape.experts, routers.counted_,
                routers.sampled_);
  }
  auto frequent = by_frequency(counts);
  frequent.resize(std::min(frequent.size(), size_t{kMostFitted}));
  if (frequent.empty()) return fail("counts: expected tokens, found none");
  double sum = 0;
  for (const auto& [token, visits] : frequent) sum += static_cast<double>(visits);
  for (const auto& [token, visits] : frequent) {
    routers.tokens_.push_back(token);
    routers.frequencies_.push_back(static_cast<double>(visits) / sum);
  }
  routers.set_scores(counts);
  return routers;
}

void Routers::set_scores(const RoutingCounts& counts) {
  std::unordered_map<int32_t, size_t> place;
  for (size_t t = 0; t < tokens_.size(); ++t) place[tokens_[t]] = t;
  const size_t experts = static_cast<size_t>(counted_);
  scores_.resize(tokens_.size() * columns());
  for (size_t s = 0; s < counts.layers.size(); ++s) {
    std::vector<double> visits(tokens_.size() * experts), of_token(tokens_.size());
    std::vector<double> of_expert(experts, 1);
    double all = static_cast<double>(experts);
    for (const RoutingCount& count : counts.layers[s]) {
      const auto number = static_cast<double>(count.count);
      of_expert[static_cast<size_t>(count.expert)] += number;
      all += number;
      const auto found = place.find(count.token);
      if (found == place.end()) continue;
      visits[found->second * experts + static_cast<size_t>(count.expert)] += number;
      of_token[found->second] += number;
    }
    for (size_t t = 0; t < tokens_.size(); ++t) {
      double* scores = scores_.data() + t * columns() + s * experts;
      double mean = 0;
      for (size_t e = 0; e < experts; ++e) {
        const double prior = of_expert[e] / all;
        const double own =
            (visits[t * experts + e] + kPriorVisits * prior) / (of_token[t] + kPriorVisits);
        scores[e] = std::log((1 - kSmoothed) * own + kSmoothed * prior);
        mean += scores[e] / static_cast<double>(experts);
      }
      // What all experts have in common chooses none.
      for (size_t e = 0; e < experts; ++e) scores[e] -= mean;
    }
  }
}

Result<void> Routers::fit(std::span<const float> embeddings, Workers& workers) {
  std::vector<double> ridges;
  for (const double frequency : frequencies_) ridges.push_back(kContextPower / frequency);
  const RidgeProblem problem{.rows = embeddings, .columns = shape_.embedding, .ridges = ridges};
  RidgeSolution solution = TRY(solve_ridge(problem, scores_, workers));
  weights_ = std::move(solution.weights);
  choose_scales(std::move(solution.fitted));
  return {};
}

// With the context's part in the scores: as many numbers about 0 as there are scores.
void Routers::choose_scales(std::vector<double> fitted) {
  std::vector<double> squares(columns());
  for (size_t i = 0; i < weights_.size(); ++i) squares[i % columns()] += weights_[i] * weights_[i];
  Random random(1);
  for (size_t i = 0; i < fitted.size(); ++i)
    fitted[i] += random.uniform(-1, 1) * std::sqrt(3 * kContextPower * squares[i % columns()]);
  const size_t experts = static_cast<size_t>(shape_.experts);
  const double wanted = 1.0 / shape_.used + 0.1;
  for (int s = 0; s < sampled_; ++s) {
    std::vector<double> scores(tokens_.size() * experts);
    for (size_t t = 0; t < tokens_.size(); ++t) {
      for (size_t e = 0; e < experts; ++e) {
        scores[t * experts + e] = fitted[t * columns() + column(source(s, static_cast<int>(e)))];
      }
    }
    // The share grows with the scale, from 1 / used on.
    double low = 0, high = 64;
    for (int step = 0; step < 40 && shape_.used > 1; ++step) {
      const double middle = (low + high) / 2;
      (best_share(scores, frequencies_, shape_.used, middle) < wanted ? low : high) = middle;
    }
    scales_.push_back(shape_.used > 1 ? (low + high) / 2 : 1);
  }
}

Routers::Source Routers::source(int first_sampled, int expert) const {
  return {(first_sampled + expert / counted_) % sampled_, expert % counted_};
}

std::vector<Routers::Source> Routers::sources(int layer, uint64_t seed) const {
  std::vector<Source> order;
  for (int e = 0; e < shape_.experts; ++e) order.push_back(source(sampled_of(layer), e));
  Random random(seed);
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.next() % i]);
  return order;
}

std::vector<float> Routers::rows(int layer, uint64_t seed, std::span<const float> gains) const {
  CHECK_THAT(!weights_.empty() && gains.size() == static_cast<size_t>(shape_.embedding));
  const double scale = scales_[static_cast<size_t>(sampled_of(layer))];
  std::vector<float> rows;
  for (const Source& source : sources(layer, seed)) {
    for (size_t d = 0; d < gains.size(); ++d) {
      const double weight = weights_[d * columns() + column(source)];
      rows.push_back(static_cast<float>(scale * weight / double{gains[d]}));
    }
  }
  return rows;
}

}  // namespace issun::measure
