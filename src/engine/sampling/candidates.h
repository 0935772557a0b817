// The tokens that may still be chosen, with their logits: what the steps of sampling work on.
// Nothing is sorted, copied or even listed before a step needs it, since of a quarter of a million
// tokens most are never looked at twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace issun::engine {

constexpr float kNever = -std::numeric_limits<float>::infinity();
// What penalties and biases make of a logit stays below, so that it never becomes infinite.
constexpr float kHighestLogit = 1e30f;

struct Candidate {
  float logit;
  int32_t token;
};

// By logit, then by token: the order never depends on how it is sorted.
inline bool is_better(const Candidate& a, const Candidate& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
}

class Candidates {
 public:
  explicit Candidates(int vocabulary_size);

  // All tokens whose logit is a number above minus infinity. The logits must live until the next
  // start().
  void start(std::span<const float> logits);

  // change(logit, marks[token]) for every candidate among `tokens`, once each, where its mark is
  // not 0. Afterwards the marks of `tokens` are 0.
  template <class Change>
  void edit(std::span<const int32_t> tokens, std::span<int32_t> marks, Change change);
  // Adds to the logit of one token; only as long as nothing was cut.
  void add_to(int32_t token, float bias);
  // Divides by it what each logit is below the highest, which becomes 0.
  void divide(float divisor);

  // By token, or best first once something was cut by rank. None where no logit was a number.
  std::span<const Candidate> all() {
    list_all();
    return list_;
  }
  // Whether a step has looked at tokens one by one yet; what is off must not make it so.
  bool listed() const { return listed_; }
  // The `count` best (or as many as there are), best first.
  std::span<const Candidate> best(size_t count);
  // The largest logit.
  float highest();

  void keep_best(size_t count);
  // Those of at least `lowest`, but the best `at_least` in any case.
  void keep_above(float lowest, size_t at_least);
  // Without the `count` best.
  void drop_best(size_t count);
  // Exactly these, in this order; a subset of all().
  void keep_only(std::span<const Candidate> kept);

 private:
  void list_all();
  void list_best(size_t count);
  void drop_impossible();
  std::span<float> writable();

  std::span<const float> logits_;  // of all tokens, while nothing is listed
  bool listed_ = false;
  size_t sorted_ = 0;            // the first so many of the list are its best, best first
  std::vector<Candidate> list_;  // capacity: the vocabulary
  std::vector<float> edited_;    // (vocabulary): logits_ with changes
};

// Sorts as much of the front as is needed for the first `wanted` to be the first of all by
// `before`, given that the first `sorted` are already; returns how many are now. Asking for more
// and more costs little more than asking once.
template <class T, class Before>
size_t sort_front(std::vector<T>& list, size_t sorted, size_t wanted, Before before);

}  // namespace issun::engine

#include "engine/sampling/candidates.inl"
