#include "train/progress.h"

#include <fmt/format.h>

#include <algorithm>

namespace issun::train {

namespace {
std::string counted(double number) {
  if (number < 1000) return fmt::format("{:.0f}", number);
  if (number < 1e6) return fmt::format("{:.1f}k", number * 1e-3);
  return fmt::format("{:.1f}M", number * 1e-6);
}
}  // namespace

std::string duration(double seconds) {
  const auto s = static_cast<int64_t>(std::clamp(seconds, 0.0, 1e12));
  constexpr int64_t kMinute = 60, kHour = 3600, kDay = 86400;
  if (s < kMinute) return fmt::format("{}s", s);
  if (s < kHour) return fmt::format("{}m {:02}s", s / kMinute, s % kMinute);
  if (s < kDay) return fmt::format("{}h {:02}m", s / kHour, s % kHour / kMinute);
  return fmt::format("{}d {}h", s / kDay, s % kDay / kHour);
}

std::string progress_line(const ProgressFacts& facts) {
  std::string line = fmt::format("step {}/{}  loss {:.3f}", facts.step, facts.steps, facts.loss);
  if (facts.tokens_per_second > 0) {
    line += fmt::format("  {} tokens/s", counted(facts.tokens_per_second));
  }
  if (facts.peak_share) line += fmt::format("  {:.0f} % of peak", *facts.peak_share * 100);
  if (facts.seconds_left) line += fmt::format("  {} left", duration(*facts.seconds_left));
  return line;
}

void Progress::update(const ProgressFacts& facts, double now) {
  const bool last = facts.step >= facts.steps;
  if (shown_ && now - *shown_ < interval_ && !last) return;
  shown_ = now;
  show_(progress_line(facts));
}

std::optional<double> TimeLeft::after(int64_t step, int64_t steps, double now) {
  const std::optional<double> before = last_;
  last_ = now;
  if (!before) return std::nullopt;
  constexpr double kWeight = 0.1;  // of the newest step
  const double took = std::max(now - *before, 0.0);
  step_seconds_ = step_seconds_ == 0 ? took : step_seconds_ + kWeight * (took - step_seconds_);
  return step_seconds_ * static_cast<double>(std::max<int64_t>(steps - step, 0));
}

}  // namespace issun::train
