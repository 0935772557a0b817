#include "engine/sampling/truncation.h"

#include <algorithm>
#include <cmath>

namespace issun::engine {

namespace {

size_t at_least_one(int min_keep) { return static_cast<size_t>(std::max(1, min_keep)); }

double weight(const Candidate& candidate, float highest) {
  return std::exp(double{candidate.logit} - highest);
}

// The sum of exp(logit - highest): probabilities are weights divided by it.
double total_weight(std::span<const Candidate> candidates, float highest) {
  double total = 0;
  for (const Candidate& candidate : candidates) total += weight(candidate, highest);
  return total;
}

}  // namespace

void top_k(Candidates& candidates, int k) {
  if (k > 0) candidates.keep_best(static_cast<size_t>(k));
}

void top_p(Candidates& candidates, float p, int min_keep) {
  if (p >= 1) return;
  const float highest = candidates.highest();
  const size_t count = candidates.all().size();
  const double wanted = double{p} * total_weight(candidates.all(), highest);
  double reached = 0;
  size_t sorted = 0;
  std::span<const Candidate> best;
  for (size_t i = 0; i < count; ++i) {
    if (i >= sorted) {
      sorted = std::min(count, std::max<size_t>(64, 4 * sorted));
      best = candidates.best(sorted);
    }
    reached += weight(best[i], highest);
    if (reached >= wanted && i + 1 >= at_least_one(min_keep)) return candidates.keep_best(i + 1);
  }
}

void min_p(Candidates& candidates, float share, int min_keep) {
  if (share <= 0) return;
  candidates.keep_above(candidates.highest() + std::log(share), at_least_one(min_keep));
}

void typical_p(Candidates& candidates, float p, int min_keep, TruncationScratch& scratch) {
  if (p >= 1) return;
  const float highest = candidates.highest();
  const std::span<const Candidate> all = candidates.all();
  const double total = total_weight(all, highest);
  const auto surprise = [&](const Candidate& candidate) {
    return std::log(total) - (double{candidate.logit} - highest);
  };
  double entropy = 0;
  for (const Candidate& candidate : all)
    entropy += weight(candidate, highest) / total * surprise(candidate);
  scratch.scored.clear();
  for (const Candidate& candidate : all) {
    scratch.scored.push_back(
        {static_cast<float>(std::abs(surprise(candidate) - entropy)), candidate});
  }
  const auto more_typical = [](const auto& a, const auto& b) {
    return a.score < b.score || (a.score == b.score && is_better(a.candidate, b.candidate));
  };
  scratch.kept.clear();
  double reached = 0;
  size_t sorted = 0;
  for (size_t i = 0; i < scratch.scored.size(); ++i) {
    if (i >= sorted)
      sorted = sort_front(scratch.scored, sorted, std::max<size_t>(64, 4 * sorted), more_typical);
    scratch.kept.push_back(scratch.scored[i].candidate);
    reached += weight(scratch.kept.back(), highest);
    if (reached > double{p} * total && i + 1 >= at_least_one(min_keep)) break;
  }
  candidates.keep_only(scratch.kept);
}

void top_n_sigma(Candidates& candidates, float n) {
  if (n <= 0) return;  // before anything is listed
  const std::span<const Candidate> all = candidates.all();
  if (all.empty()) return;
  double sum = 0, squares = 0;
  for (const Candidate& candidate : all) sum += candidate.logit;
  const double mean = sum / static_cast<double>(all.size());
  for (const Candidate& candidate : all) {
    const double distance = candidate.logit - mean;
    squares += distance * distance;
  }
  const double sigma = std::sqrt(squares / static_cast<double>(all.size()));
  candidates.keep_above(static_cast<float>(candidates.highest() - n * sigma), 1);
}

void exclude_top_choices(Candidates& candidates, float threshold, int min_keep) {
  if (threshold > 0.5f || candidates.all().size() < 2) return;
  const float highest = candidates.highest();
  const double least = double{threshold} * total_weight(candidates.all(), highest);
  // Tokens that reach the threshold are at most 1 / threshold; with a threshold of 0, all are.
  const auto reaches = [&](const Candidate& candidate) {
    return weight(candidate, highest) >= least;
  };
  const auto count =
      static_cast<size_t>(std::count_if(candidates.all().begin(), candidates.all().end(), reaches));
  if (count < 2 || candidates.all().size() - (count - 1) < at_least_one(min_keep)) return;
  candidates.drop_best(count - 1);
}

}  // namespace issun::engine
