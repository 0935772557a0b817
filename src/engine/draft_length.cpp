#include "engine/draft_length.h"

#include <algorithm>
#include <vector>

namespace issun::engine {

namespace {
constexpr double kKept = 0.97;        // of the weight of older batches
constexpr double kMostOwn = 8;        // batches that the figure of a number of rows is a mean of
constexpr double kLineWeight = 0.5;   // beside one batch of that number of rows
constexpr int kStays = 4;             // batches in a row that take far longer than was expected
constexpr double kGuessedRow = 0.15;  // of a batch of one row, a further row; before it is measured
constexpr double kGuessWeight = 0.1;  // of that guess, as a variance of the rows
constexpr double kLearnt = 0.1;       // of a hit rate, by one guess
constexpr double kFaded = 0.01;       // of what was learnt, by one step
}  // namespace

void StepCost::learn(int rows, double seconds) {
  // The machine did something else; unless it stays so.
  const bool odd = weight_ > 3 && seconds > 3 * this->seconds(rows);
  odd_ = odd ? odd_ + 1 : 0;
  if (odd && odd_ < kStays) return;
  for (double* sum : {&weight_, &rows_, &seconds_, &rows_squared_, &products_}) *sum *= kKept;
  for (Own& own : own_) own.weight *= kKept;
  if (rows <= kOwn) {
    Own& own = own_[rows];
    own.weight += 1;
    own.seconds += (seconds - own.seconds) / std::min(own.weight, kMostOwn);
  }
  weight_ += 1;
  rows_ += rows;
  seconds_ += seconds;
  rows_squared_ += double{1} * rows * rows;
  products_ += rows * seconds;
}

double StepCost::seconds(int rows) const {
  if (rows > kOwn || own_[rows].weight == 0) return line(rows);
  const Own& own = own_[rows];
  return (own.weight * own.seconds + kLineWeight * line(rows)) / (own.weight + kLineWeight);
}

double StepCost::line(int rows) const {
  if (weight_ == 0) return 1 + kGuessedRow * (rows - 1);
  const double mean_rows = rows_ / weight_, mean = seconds_ / weight_;
  const double variance = std::max(0.0, rows_squared_ / weight_ - mean_rows * mean_rows);
  const double covariance = products_ / weight_ - mean_rows * mean;
  const double guessed = kGuessedRow * mean / (1 + kGuessedRow * (mean_rows - 1));
  const double slope = (covariance + kGuessWeight * guessed) / (variance + kGuessWeight);
  // A row never costs less than nothing, nor more than its share.
  return mean + std::clamp(slope, 0.0, mean / mean_rows) * (rows - mean_rows);
}

void HitRate::learn(int right, bool wrong) {
  for (int i = 0; i < right; ++i) rate_ += kLearnt * (1 - rate_);
  if (wrong) rate_ -= kLearnt * rate_;
}

void HitRate::fade() { rate_ += kFaded * (kUnknown - rate_); }

namespace {

// The wish whose next guess is the likeliest to be right; nullptr: there is no further one.
DraftWish* likeliest(std::span<DraftWish> wishes) {
  DraftWish* best = nullptr;
  for (DraftWish& wish : wishes) {
    if (wish.chosen < wish.available && (best == nullptr || wish.next > best->next)) best = &wish;
  }
  return best;
}

}  // namespace

void choose_lengths(std::span<DraftWish> wishes, int room,
                    const std::function<double(int guesses)>& seconds) {
  for (DraftWish& wish : wishes) {
    wish.chosen = 0;
    wish.next = wish.rate;
  }
  std::vector<DraftWish*> taken;
  double tokens = static_cast<double>(wishes.size());
  double fastest = seconds ? tokens / seconds(0) : 0;
  size_t kept = 0;
  while (static_cast<int>(taken.size()) < room) {
    DraftWish* wish = likeliest(wishes);
    if (wish == nullptr) break;
    tokens += wish->next;
    wish->next *= wish->rate;
    ++wish->chosen;
    taken.push_back(wish);
    const double speed = seconds ? tokens / seconds(static_cast<int>(taken.size())) : tokens;
    if (speed <= fastest) continue;
    fastest = speed;
    kept = taken.size();
  }
  for (; taken.size() > kept; taken.pop_back()) --taken.back()->chosen;
}

void raise_lengths(std::span<DraftWish> wishes, int least, int room,
                   const std::function<double(int guesses)>& seconds) {
  int guesses = 0;
  const auto speed = [&] {
    double tokens = static_cast<double>(wishes.size());
    guesses = 0;
    for (const DraftWish& wish : wishes) {
      guesses += wish.chosen;
      double right = 1;
      for (int i = 0; i < wish.chosen; ++i) tokens += right *= wish.rate;
    }
    return seconds ? tokens / seconds(guesses) : tokens;
  };
  for (DraftWish& wish : wishes) {
    if (wish.chosen == 0 || wish.chosen >= least) continue;
    wish.chosen = 0;
    const double without = speed();
    wish.chosen = least;
    if (speed() <= without || guesses > room) wish.chosen = 0;
  }
}

}  // namespace issun::engine
