#include "engine/sampling/mirostat.h"

#include <algorithm>
#include <cmath>

namespace issun::engine {

namespace {
constexpr size_t kRanks = 100;  // m of the paper: the ranks that the exponent is estimated from
}

size_t Mirostat::estimated_k(Candidates& candidates) const {
  const std::span<const Candidate> best = candidates.best(kRanks);
  double products = 0, squares = 0;
  for (size_t i = 0; i + 1 < best.size(); ++i) {
    const double t = std::log(static_cast<double>(i + 2) / static_cast<double>(i + 1));
    const double b = double{best[i].logit} - best[i + 1].logit;
    products += t * b;
    squares += t * t;
  }
  const double s = squares > 0 ? products / squares : 1;  // the exponent of Zipf's law
  const double excess = s - 1;
  const double n = vocabulary_size_;
  // (1 - n^-excess) / excess, which goes to log n where the excess goes to 0.
  const double spread = std::abs(excess) < 1e-9 ? std::log(n) : (1 - std::pow(n, -excess)) / excess;
  const double k = std::pow(std::pow(2.0, mu_) / spread, 1 / s);
  if (std::isnan(k) || k < 1) return 1;
  return static_cast<size_t>(std::min(k, n));
}

void Mirostat::cut(Candidates& candidates) const {
  if (candidates.all().empty()) return;
  if (version_ == 1) return candidates.keep_best(estimated_k(candidates));
  const float highest = candidates.highest();
  double total = 0;
  for (const Candidate& candidate : candidates.all())
    total += std::exp(double{candidate.logit} - highest);
  // -log2 p <= mu
  const double lowest = highest + std::log(total) - mu_ * std::log(2.0);
  candidates.keep_above(static_cast<float>(lowest), 1);
}

void Mirostat::learn(double probability) { mu_ -= eta_ * (-std::log2(probability) - tau_); }

}  // namespace issun::engine
