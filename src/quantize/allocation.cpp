#include "quantize/allocation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/check.h"

namespace issun::quantize {

namespace {

constexpr size_t kMostStates = 1 << 15;  // followed at a time

// A choice in the terms of the problem: minimise the sum of costs, keep that of weights.
struct Way {
  double weight = 0, cost = 0;
  int choice = 0;
};

// A step from one corner of an item's convex hull to the next.
struct Step {
  double weight = 0, gain = 0;
  size_t item = 0;
  int to = 0;  // place in the item's ways
};

bool steeper(const Step& a, const Step& b) {
  const double left = a.gain * b.weight, right = b.gain * a.weight;
  if (left != right) return left > right;
  return a.item < b.item;
}

// Lightest first, and each costs less than those before it.
std::vector<Way> pareto(std::vector<Way> ways) {
  std::sort(ways.begin(), ways.end(), [](const Way& a, const Way& b) {
    return std::tuple(a.weight, a.cost, a.choice) < std::tuple(b.weight, b.cost, b.choice);
  });
  std::vector<Way> kept;
  for (const Way& way : ways) {
    if (kept.empty() || way.cost < kept.back().cost) kept.push_back(way);
  }
  return kept;
}

// The corners of the lower convex hull of an item's ways, as steps between them.
std::vector<Step> hull_steps(const std::vector<Way>& ways, size_t item) {
  std::vector<size_t> corners;
  for (size_t i = 0; i < ways.size(); ++i) {
    while (corners.size() >= 2) {
      const Way &a = ways[corners[corners.size() - 2]], &b = ways[corners.back()], &c = ways[i];
      const bool above =
          (a.cost - b.cost) * (c.weight - b.weight) <= (b.cost - c.cost) * (b.weight - a.weight);
      if (!above) break;
      corners.pop_back();
    }
    corners.push_back(i);
  }
  std::vector<Step> steps;
  for (size_t k = 1; k < corners.size(); ++k) {
    const Way &from = ways[corners[k - 1]], &to = ways[corners[k]];
    steps.push_back(
        {to.weight - from.weight, from.cost - to.cost, item, static_cast<int>(corners[k])});
  }
  return steps;
}

// The least cost of the items from one on, any share of a step allowed: below what whole choices
// can reach.
class Relaxation {
 public:
  Relaxation(std::span<const std::vector<Way>> items, std::span<const Step> sorted, size_t first) {
    for (size_t i = first; i < items.size(); ++i) {
      weight_ += items[i].front().weight;
      cost_ += items[i].front().cost;
    }
    weights_ = {0};
    gains_ = {0};
    for (const Step& step : sorted) {
      if (step.item < first) continue;
      weights_.push_back(weights_.back() + step.weight);
      gains_.push_back(gains_.back() + step.gain);
    }
  }
  // Infinite where not even the lightest ways fit.
  double bound(double capacity) const {
    double left = capacity - weight_;
    if (left < 0) return std::numeric_limits<double>::infinity();
    const auto past = std::upper_bound(weights_.begin(), weights_.end(), left);
    const auto k = static_cast<size_t>(past - weights_.begin()) - 1;
    if (k + 1 == weights_.size()) return cost_ - gains_[k];
    const double share = (left - weights_[k]) / (weights_[k + 1] - weights_[k]);
    return cost_ - gains_[k] - share * (gains_[k + 1] - gains_[k]);
  }
  double least_weight() const { return weight_; }

 private:
  double weight_ = 0, cost_ = 0;
  std::vector<double> weights_, gains_;  // sums over the steps before
};

struct State {
  double weight, cost;
  int32_t before;  // place in the states of the item before
  int32_t way;     // of this item
};

class Knapsack {
 public:
  Knapsack(std::span<const std::vector<Way>> items, double limit) : items_(items), limit_(limit) {
    for (size_t i = 0; i < items.size(); ++i) {
      for (const Step& step : hull_steps(items[i], i)) steps_.push_back(step);
    }
    std::sort(steps_.begin(), steps_.end(), steeper);
  }

  double least_weight() const { return Relaxation(items_, steps_, 0).least_weight(); }

  // The place of each item's way. `bound`: what no ways can cost less than.
  std::vector<int> solve(double* bound) {
    *bound = Relaxation(items_, steps_, 0).bound(limit_);
    greedy();
    std::vector<std::vector<State>> levels = {{{0, 0, -1, -1}}};
    bool whole = true;
    for (size_t i = 0; i < items_.size(); ++i) {
      std::vector<State> next = extend(levels.back(), i);
      if (next.size() > kMostStates) {
        whole = false;
        thin(i, next);
      }
      levels.push_back(std::move(next));
    }
    const std::vector<State>& last = levels.back();
    if (!last.empty()) follow(levels);
    if (whole) *bound = best_cost_;
    return best_;
  }

 private:
  // Steps down the hulls as long as they fit: a first solution, which all others have to beat.
  void greedy() {
    best_.assign(items_.size(), 0);
    double weight = 0;
    for (const std::vector<Way>& ways : items_) weight += ways.front().weight;
    std::vector<bool> stopped(items_.size());
    for (const Step& step : steps_) {
      if (stopped[step.item]) continue;
      if (weight + step.weight > limit_) {
        stopped[step.item] = true;
        continue;
      }
      weight += step.weight;
      best_[step.item] = step.to;
    }
    best_cost_ = 0;
    for (size_t i = 0; i < items_.size(); ++i)
      best_cost_ += items_[i][static_cast<size_t>(best_[i])].cost;
  }

  // All ways behind all states, without those that another one is better than in both, and those
  // that cannot end below the best.
  std::vector<State> extend(const std::vector<State>& states, size_t item) const {
    const Relaxation rest(items_, steps_, item + 1);
    std::vector<State> all;
    for (size_t s = 0; s < states.size(); ++s) {
      for (size_t w = 0; w < items_[item].size(); ++w) {
        const Way& way = items_[item][w];
        const State state = {states[s].weight + way.weight, states[s].cost + way.cost,
                             static_cast<int32_t>(s), static_cast<int32_t>(w)};
        if (state.weight > limit_) break;
        if (state.cost + rest.bound(limit_ - state.weight) < best_cost_ * (1 - 1e-12))
          all.push_back(state);
      }
    }
    std::stable_sort(all.begin(), all.end(), [](const State& a, const State& b) {
      return std::pair(a.weight, a.cost) < std::pair(b.weight, b.cost);
    });
    std::vector<State> kept;
    for (const State& state : all) {
      if (kept.empty() || state.cost < kept.back().cost) kept.push_back(state);
    }
    return kept;
  }

  // Keeps the most promising.
  void thin(size_t item, std::vector<State>& states) const {
    const Relaxation rest(items_, steps_, item + 1);
    const auto promise = [&](const State& state) {
      return state.cost + rest.bound(limit_ - state.weight);
    };
    std::stable_sort(states.begin(), states.end(),
                     [&](const State& a, const State& b) { return promise(a) < promise(b); });
    states.resize(kMostStates);
    std::stable_sort(states.begin(), states.end(),
                     [](const State& a, const State& b) { return a.weight < b.weight; });
  }

  void follow(const std::vector<std::vector<State>>& levels) {
    const std::vector<State>& last = levels.back();
    const auto found = std::min_element(
        last.begin(), last.end(), [](const auto& a, const auto& b) { return a.cost < b.cost; });
    if (found->cost >= best_cost_) return;
    best_cost_ = found->cost;
    auto at = static_cast<int32_t>(found - last.begin());
    for (size_t i = items_.size(); i > 0; --i) {
      const State& state = levels[i][static_cast<size_t>(at)];
      best_[i - 1] = state.way;
      at = state.before;
    }
  }

  const std::span<const std::vector<Way>> items_;
  const double limit_;
  std::vector<Step> steps_;  // of all items, the steepest first
  std::vector<int> best_;
  double best_cost_ = 0;
};

template <class WeightOf, class CostOf>
Result<Allocation> solve(std::span<const std::vector<Choice>> items, double limit,
                         const char* of_what, WeightOf&& weight_of, CostOf&& cost_of) {
  std::vector<std::vector<Way>> ways;
  for (const std::vector<Choice>& choices : items) {
    CHECK_THAT(!choices.empty());
    std::vector<Way> some;
    for (size_t c = 0; c < choices.size(); ++c)
      some.push_back({weight_of(choices[c]), cost_of(choices[c]), static_cast<int>(c)});
    ways.push_back(pareto(std::move(some)));
  }
  Knapsack knapsack(ways, limit);
  if (knapsack.least_weight() > limit) {
    return fail("expected a limit of at least {:.6g} {}, found {:.6g}", knapsack.least_weight(),
                of_what, limit);
  }
  Allocation allocation;
  const std::vector<int> best = knapsack.solve(&allocation.bound);
  for (size_t i = 0; i < items.size(); ++i) {
    const int choice = ways[i][static_cast<size_t>(best[i])].choice;
    allocation.chosen.push_back(choice);
    allocation.bytes += items[i][static_cast<size_t>(choice)].bytes;
    allocation.damage += items[i][static_cast<size_t>(choice)].damage;
  }
  return allocation;
}

}  // namespace

Result<Allocation> least_damage(std::span<const std::vector<Choice>> items, double most_bytes) {
  return solve(
      items, most_bytes, "bytes", [](const Choice& choice) { return choice.bytes; },
      [](const Choice& choice) { return choice.damage; });
}

Result<Allocation> least_bytes(std::span<const std::vector<Choice>> items, double most_damage) {
  return solve(
      items, most_damage, "damage", [](const Choice& choice) { return choice.damage; },
      [](const Choice& choice) { return choice.bytes; });
}

}  // namespace issun::quantize
