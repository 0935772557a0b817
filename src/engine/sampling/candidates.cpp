#include "engine/sampling/candidates.h"

#include <cmath>

namespace issun::engine {

namespace {

// Blocks are looked at as a whole first: few hold anything that matters, and finding that out is
// one comparison a value, which compilers turn into vectors.
constexpr size_t kBlock = 64;

bool any_above(const float* values, float floor) {
  int found = 0;
  for (size_t i = 0; i < kBlock; ++i) found |= values[i] > floor ? 1 : 0;
  return found != 0;
}

}  // namespace

Candidates::Candidates(int vocabulary_size) {
  list_.reserve(static_cast<size_t>(vocabulary_size));
  edited_.reserve(static_cast<size_t>(vocabulary_size));
}

void Candidates::start(std::span<const float> logits) {
  logits_ = logits;
  listed_ = false;
  sorted_ = 0;
  list_.clear();
}

std::span<float> Candidates::writable() {
  if (logits_.data() != edited_.data() || edited_.empty()) {
    edited_.assign(logits_.begin(), logits_.end());
    logits_ = edited_;
  }
  return edited_;
}

void Candidates::add_to(int32_t token, float bias) {
  const std::span<float> logits = writable();
  if (static_cast<size_t>(token) >= logits.size()) return;
  float& logit = logits[static_cast<size_t>(token)];
  logit = std::min(logit + bias, kHighestLogit);
}

void Candidates::divide(float divisor) {
  list_all();
  const float top = highest();
  for (Candidate& candidate : list_) candidate.logit = (candidate.logit - top) / divisor;
  drop_impossible();
}

void Candidates::drop_impossible() {
  std::erase_if(list_, [](const Candidate& candidate) { return !(candidate.logit > kNever); });
  sorted_ = 0;
}

void Candidates::list_all() {
  if (listed_) return;
  listed_ = true;
  for (size_t t = 0; t < logits_.size(); ++t) {
    if (logits_[t] > kNever) list_.push_back({logits_[t], static_cast<int32_t>(t)});
  }
}

// The `count` best of all logits without listing the others: what enters the list has to beat a
// floor, which rises to the worst of the best each time the list has doubled.
void Candidates::list_best(size_t count) {
  listed_ = true;
  float floor = kNever;
  const size_t room = 2 * count + kBlock;
  const auto middle = [&] { return list_.begin() + static_cast<std::ptrdiff_t>(count); };
  const auto take = [&](size_t t) {
    // Of equal logits the first wins, and it came before.
    if (logits_[t] > floor) list_.push_back({logits_[t], static_cast<int32_t>(t)});
  };
  size_t t = 0;
  for (; t + kBlock <= logits_.size(); t += kBlock) {
    if (!any_above(&logits_[t], floor)) continue;
    for (size_t i = 0; i < kBlock; ++i) take(t + i);
    if (list_.size() < room) continue;
    std::nth_element(list_.begin(), middle() - 1, list_.end(), is_better);
    list_.resize(count);
    floor = list_.back().logit;
  }
  for (; t < logits_.size(); ++t) take(t);
  if (list_.size() > count) {
    std::nth_element(list_.begin(), middle() - 1, list_.end(), is_better);
    list_.resize(count);
  }
}

std::span<const Candidate> Candidates::best(size_t count) {
  list_all();
  count = std::min(count, list_.size());
  sorted_ = sort_front(list_, sorted_, count, is_better);
  return std::span<const Candidate>(list_).first(count);
}

float Candidates::highest() {
  if (sorted_ > 0) return list_[0].logit;
  float highest = kNever;
  if (listed_) {
    for (const Candidate& candidate : list_) highest = std::max(highest, candidate.logit);
    return highest;
  }
  float lanes[kBlock];
  std::fill(lanes, lanes + kBlock, kNever);
  size_t t = 0;
  for (; t + kBlock <= logits_.size(); t += kBlock) {
    const float* values = &logits_[t];
    for (size_t i = 0; i < kBlock; ++i) lanes[i] = values[i] > lanes[i] ? values[i] : lanes[i];
  }
  for (; t < logits_.size(); ++t) lanes[0] = logits_[t] > lanes[0] ? logits_[t] : lanes[0];
  return *std::max_element(lanes, lanes + kBlock);
}

void Candidates::keep_best(size_t count) {
  // A list of nearly all tokens is faster than a floor that keeps rising.
  if (!listed_ && count < logits_.size() / 8) {
    list_best(count);
    sorted_ = sort_front(list_, 0, count, is_better);
    return;
  }
  list_.resize(best(count).size());
  sorted_ = list_.size();
}

void Candidates::keep_above(float lowest, size_t at_least) {
  if (!listed_ && at_least <= 1) {
    listed_ = true;
    size_t t = 0;
    const auto take = [&](size_t token) {
      if (logits_[token] >= lowest && logits_[token] > kNever)
        list_.push_back({logits_[token], static_cast<int32_t>(token)});
    };
    const float below = std::nextafter(lowest, kNever);
    for (; t + kBlock <= logits_.size(); t += kBlock) {
      if (!any_above(&logits_[t], below)) continue;
      for (size_t i = 0; i < kBlock; ++i) take(t + i);
    }
    for (; t < logits_.size(); ++t) take(t);
    return;
  }
  list_all();
  const auto above = [&](const Candidate& candidate) { return candidate.logit >= lowest; };
  const auto count = static_cast<size_t>(std::count_if(list_.begin(), list_.end(), above));
  if (count < at_least) return keep_best(at_least);
  std::erase_if(list_, [&](const Candidate& candidate) { return !above(candidate); });
  sorted_ = std::min(sorted_, list_.size());
}

void Candidates::drop_best(size_t count) {
  const size_t dropped = std::min(count, best(all().size()).size());
  list_.erase(list_.begin(), list_.begin() + static_cast<std::ptrdiff_t>(dropped));
  sorted_ = list_.size();
}

void Candidates::keep_only(std::span<const Candidate> kept) {
  listed_ = true;
  list_.assign(kept.begin(), kept.end());
  sorted_ = 0;
}

}  // namespace issun::engine
