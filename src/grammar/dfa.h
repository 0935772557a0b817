// Dfa: a regular language over characters, as the machine that reads it: what a string, a key or a
// number may be. Closed under and, or and not.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "grammar/char_set.h"

namespace issun::grammar {

// The characters of a text; U+FFFD for bytes that are none.
std::u32string characters(std::string_view text);

class Dfa {
 public:
  static constexpr uint32_t kDead = 0xFFFFFFFF;   // from here no text of the language is reached
  static constexpr uint32_t kMixed = 0xFFFFFFFE;  // of a range: not all characters go to one state

  static Dfa none();
  static Dfa everything();
  // All of these words; the label of words[i] is i + 1 with `numbered`, else 1.
  static Result<Dfa> words(const std::vector<std::u32string>& words, bool numbered = false);

  // Explores what can be reached from `first`. next(key, character) is the key that the character
  // leads to, for any character of a class (`starts`: the first character of each), or nothing;
  // label(key) is 0 where a text may not end. Error: too many states.
  template <class Key, class Next, class Label>
  static Result<Dfa> explore(std::vector<char32_t> starts, Key first, Next next, Label label);

  // What making it took, in units of Work (work.h), without the machines it was made of.
  int64_t work() const { return work_; }
  void add_work(int64_t units) { work_ += units; }

  bool empty() const { return labels_.empty(); }
  uint32_t start() const { return empty() ? kDead : 0; }
  int states() const { return static_cast<int>(labels_.size()); }
  // Every state but kDead reaches some text of the language.
  uint32_t step(uint32_t state, char32_t character) const {
    return state == kDead ? kDead : targets_[state * starts_.size() + class_of(character)];
  }
  // Where all of first..last lead, or kMixed. Surrogates are passed over.
  uint32_t step_range(uint32_t state, char32_t first, char32_t last) const;
  // 0: a text may not end here. Machines made here know 0 and 1; explore() may use more.
  uint32_t label(uint32_t state) const { return state == kDead ? 0 : labels_[state]; }
  bool accepts(std::u32string_view text) const;

  const std::vector<char32_t>& class_starts() const { return starts_; }

  // With label l now labels[l].
  Dfa relabelled(const std::vector<uint32_t>& labels) const;
  static Result<Dfa> both(const Dfa& a, const Dfa& b);
  static Result<Dfa> either(const Dfa& a, const Dfa& b);
  Result<Dfa> complement() const;

  static constexpr uint32_t kForever = 0xFFFFFFFF;
  // For each state characters that may follow it and, mostly, each other; empty: fewer than
  // `least`.
  std::vector<CharSet> alphabets(int least) const;
  // For each state how many characters of the alphabet may follow, whichever they are.
  std::vector<uint32_t> free_runs(const CharSet& alphabet) const;
  // For each state 0 if a text may not end there; else 1 more than the characters of the alphabet
  // after any of which it may end too, with the same label.
  std::vector<uint32_t> end_runs(const CharSet& alphabet) const;
  // For each state how many characters may follow at most; kForever: any number.
  std::vector<uint32_t> reaches() const;

 private:
  static constexpr int64_t kMaxCells = 2'000'000;  // states times classes
  Dfa() = default;
  size_t class_of(char32_t character) const {
    if (character < 128) return ascii_[character];
    return static_cast<size_t>(std::upper_bound(starts_.begin(), starts_.end(), character) -
                               starts_.begin()) -
           1;
  }
  void index_ascii();
  std::vector<CharSet> class_characters() const;
  std::vector<CharSet> followers() const;
  struct Characters {
    std::vector<CharSet> classes, followers;  // of each class; that may follow each state
  };
  std::vector<uint32_t> settle(const Characters& of, uint32_t first, CharSet* alphabet,
                               size_t* work) const;
  template <class Ends>
  std::vector<uint32_t> shortest_runs(const CharSet& alphabet, Ends ends) const;
  void drop_dead();
  template <class Combine>
  static Result<Dfa> product(const Dfa& a, const Dfa& b, Combine combine);

  std::vector<char32_t> starts_;   // sorted, begins with 0
  std::vector<uint32_t> targets_;  // (states, classes)
  std::vector<uint32_t> labels_;   // (states)
  uint16_t ascii_[128] = {};
  int64_t work_ = 0;
};

// Sorted, without repetition, with the borders that every machine has.
std::vector<char32_t> class_starts_of(std::vector<char32_t> starts);

template <class Key, class Next, class Label>
Result<Dfa> Dfa::explore(std::vector<char32_t> starts, Key first, Next next, Label label) {
  Dfa dfa;
  dfa.starts_ = class_starts_of(std::move(starts));
  dfa.index_ascii();
  std::map<Key, uint32_t> numbers;
  std::vector<typename std::map<Key, uint32_t>::const_iterator> order;
  const auto number = [&](Key key) {
    const auto [at, fresh] =
        numbers.try_emplace(std::move(key), static_cast<uint32_t>(order.size()));
    if (fresh) order.push_back(at);
    return at->second;
  };
  number(std::move(first));
  for (size_t state = 0; state < order.size(); ++state) {
    if (static_cast<int64_t>(order.size() * dfa.starts_.size()) > kMaxCells) {
      return fail("too large: more than {} states", order.size());
    }
    dfa.labels_.push_back(label(order[state]->first));
    for (const char32_t character : dfa.starts_) {
      uint32_t target = kDead;
      if (character < kFirstSurrogate || character >= kAfterSurrogates) {
        if (auto key = next(order[state]->first, character)) target = number(std::move(*key));
      }
      dfa.targets_.push_back(target);
    }
  }
  dfa.work_ = static_cast<int64_t>(dfa.targets_.size());
  dfa.drop_dead();
  return dfa;
}

}  // namespace issun::grammar
