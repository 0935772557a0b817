#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/quote.h"

namespace issun::train {

Result<Decay> decay_from_name(std::string_view name) {
  if (name == "constant") return Decay::Constant;
  if (name == "linear") return Decay::Linear;
  if (name == "cosine") return Decay::Cosine;
  if (name == "wsd") return Decay::Wsd;
  return fail("schedule: expected constant, linear, cosine or wsd, found '{}'", printable(name));
}

Result<void> check(const Schedule& schedule) {
  const auto& s = schedule;
  // Written so that what is no number is refused too.
  if (!(s.peak > 0 && std::isfinite(s.peak))) {
    return fail("learning rate: expected a number above 0, found {}", s.peak);
  }
  if (!(s.least_share >= 0 && s.least_share <= 1)) {
    return fail("least share of the learning rate: expected 0 to 1, found {}", s.least_share);
  }
  if (s.steps < 1) return fail("steps: expected at least 1, found {}", s.steps);
  if (s.warmup < 0 || s.warmup >= s.steps) {
    return fail("warmup: expected 0 to {} steps, one below all, found {}", s.steps - 1, s.warmup);
  }
  if (!(s.decay_share > 0 && s.decay_share <= 1)) {
    return fail("share of steps on the way down: expected above 0 and at most 1, found {}",
                s.decay_share);
  }
  return {};
}

double learning_rate(const Schedule& schedule, int64_t step) {
  const auto& s = schedule;
  if (step < s.warmup) {
    return s.peak * static_cast<double>(step + 1) / static_cast<double>(s.warmup);
  }
  if (s.decay == Decay::Constant) return s.peak;
  const int64_t last = s.steps - 1;
  int64_t first = s.warmup;  // from where it goes down, the peak itself
  if (s.decay == Decay::Wsd) {
    const double down = std::ceil(static_cast<double>(s.steps) * s.decay_share);
    first = std::max(first, last - static_cast<int64_t>(down));
  }
  if (step <= first) return s.peak;
  const double way = std::min(1.0, static_cast<double>(step - first) /
                                       static_cast<double>(std::max<int64_t>(last - first, 1)));
  const double left =
      s.decay == Decay::Cosine ? 0.5 * (1 + std::cos(std::numbers::pi * way)) : 1 - way;
  return s.peak * (s.least_share + (1 - s.least_share) * left);
}

}  // namespace issun::train
