// How many guesses are worth looking at: by how often they were right, and by what a row more
// costs.
#pragma once

#include <functional>
#include <span>

namespace issun::engine {

// What a batch costs by its rows, from what was measured of late: of that number of rows, as
// kernels take two or four at a time and three or five cost more than their share; and for numbers
// that were seldom seen, a straight line through all.
class StepCost {
 public:
  void learn(int rows, double seconds);
  // 1 and a guess for each further row, where nothing was measured.
  double seconds(int rows) const;
  bool known() const { return weight_ > 0; }

 private:
  double line(int rows) const;
  struct Own {
    double weight = 0, seconds = 0;
  };
  static constexpr int kOwn = 16;
  Own own_[kOwn + 1];  // by the number of rows
  int odd_ = 0;        // batches in a row that took far longer than expected
  // Sums over the measurements, the older ones counting less.
  double weight_ = 0, rows_ = 0, seconds_ = 0, rows_squared_ = 0, products_ = 0;
};

// How often guesses were right, the latest counting most.
class HitRate {
 public:
  explicit HitRate(double before = kUnknown) : rate_(before) {}
  double value() const { return rate_; }
  // Of one draft: so many guesses were right, and whether one was wrong behind them.
  void learn(int right, bool wrong);
  // A draft was not looked at: what was learnt fades, so that some day it is tried again.
  void fade();

 private:
  static constexpr double kUnknown = 0.6;
  double rate_;
};

struct DraftWish {
  int available = 0;  // guesses there are, or may be asked for
  double rate = 0;    // how often one is right, if those before it are
  int chosen = 0;     // how many to look at
  double next = 0;    // while it is being chosen: how likely the next one and all before are right
};

// Chooses the lengths that promise the most tokens a second of a batch that has a row for each wish
// and at most `room` rows for guesses. seconds(guesses): what it takes with so many; empty: the
// more the better.
void choose_lengths(std::span<DraftWish> wishes, int room,
                    const std::function<double(int guesses)>& seconds);
// Where fewer than `least` were chosen, but not none: so many if that pays too, else none. There is
// no wish for which fewer are available.
void raise_lengths(std::span<DraftWish> wishes, int least, int room,
                   const std::function<double(int guesses)>& seconds);

}  // namespace issun::engine
