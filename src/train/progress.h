// Progress: one line that says where training stands and when it will be done.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace issun::train {

struct ProgressFacts {
  int64_t step = 0, steps = 0;  // done, in all
  double loss = 0;              // nats a token or pair, as the caller smooths it
  double tokens_per_second = 0;
  std::optional<double> peak_share;    // of what the machine can compute
  std::optional<double> seconds_left;  // not known before the first steps
};

// "step 120/2000  loss 3.412  5.2k tokens/s  61 % of peak  12m 05s left"; parts not known are left
// out.
std::string progress_line(const ProgressFacts& facts);

// "41s", "12m 05s", "3h 20m" or "2d 4h"; rounded down.
std::string duration(double seconds);

// Hands lines on as often as somebody can read them: on a terminal ten times a second, in a file
// every so many seconds. The last step is always shown.
class Progress {
 public:
  using Show = std::function<void(const std::string& line)>;
  // `quiet_seconds`: between two lines where stderr is no terminal.
  Progress(bool terminal, double quiet_seconds, Show show)
      : interval_(terminal ? 0.1 : quiet_seconds), show_(std::move(show)) {}
  // `now` as seconds_now() gives it.
  void update(const ProgressFacts& facts, double now);

 private:
  double interval_;
  Show show_;
  std::optional<double> shown_;  // when
};

// How long the rest takes, from how long the last steps took. A pause before the first (loading,
// tokens) does not count.
class TimeLeft {
 public:
  // After each step; nothing before the second.
  std::optional<double> after(int64_t step, int64_t steps, double now);

 private:
  std::optional<double> last_;
  double step_seconds_ = 0;  // mean, recent steps weighing more
};

}  // namespace issun::train
