// How far texts of a regular language may go on, for the masks.
#include <deque>
#include <map>

#include "grammar/dfa.h"

namespace issun::grammar {

// For each class of the machine those of CharSet that have a character in it.
std::vector<CharSet> Dfa::class_characters() const {
  std::vector<CharSet> found(starts_.size());
  for (size_t i = 0; i < CharSet::kClasses; ++i) {
    const auto [first, last] = CharSet::characters_of(i);
    for (size_t c = class_of(first); c < starts_.size() && starts_[c] <= last; ++c) found[c].add(i);
  }
  return found;
}

// For each state the characters that lead on from it.
std::vector<CharSet> Dfa::followers() const {
  const std::vector<CharSet> characters = class_characters();
  std::vector<CharSet> followers(labels_.size(), CharSet::all());
  for (size_t i = 0; i < targets_.size(); ++i) {
    if (targets_[i] != kDead || starts_[i % starts_.size()] == kFirstSurrogate) continue;
    CharSet& set = followers[i / starts_.size()];
    set = set.without(characters[i % starts_.size()]);
  }
  return followers;
}

// The states that a few characters of the alphabet lead to, beginning with one. Takes from the
// alphabet what is refused within some more characters, and what leads to a state where few of its
// characters may follow, unless most do, as at the end of a limited length.
std::vector<uint32_t> Dfa::settle(const Characters& of, uint32_t first, CharSet* alphabet,
                                  size_t* work) const {
  const size_t classes = starts_.size();
  // Tokens are rarely longer than kFar; what is near is taken to be alike.
  constexpr size_t kFar = 24, kNear = 8;
  std::vector<uint32_t> order;
  size_t near = 0;
  for (bool settled = false; !settled;) {
    *work -= std::min(*work, labels_.size() / 64);
    CharSet lost;
    near = labels_.size();
    std::vector<bool> seen(labels_.size());
    order = {first};
    seen[first] = true;
    size_t level_end = 1, depth = 0;  // the states before it are within `depth` characters
    for (size_t i = 0; i < order.size(); ++i) {
      if (i == level_end) {
        if (++depth == kNear) near = i;
        if (depth == kFar) break;
        level_end = order.size();
      }
      if (*work < classes) return {};
      *work -= classes;
      std::map<uint32_t, CharSet> poor;  // by target
      for (size_t c = 0; c < classes; ++c) {
        const CharSet used = of.classes[c].without(of.classes[c].without(*alphabet));
        if (used.size() == 0 || starts_[c] == kFirstSurrogate) continue;
        const uint32_t target = targets_[order[i] * classes + c];
        if (target == kDead) {
          lost |= used;
        } else if (alphabet->without(of.followers[target]).size() * 2 > alphabet->size()) {
          poor[target] |= used;
        } else if (!seen[target]) {
          seen[target] = true;
          order.push_back(target);
        }
      }
      for (const auto& [target, used] : poor) {
        if (used.size() * 2 < alphabet->size()) lost |= used;
      }
    }
    settled = alphabet->without(lost) == *alphabet;
    *alphabet = alphabet->without(lost);
  }
  order.resize(std::min(order.size(), near));
  return order;
}

std::vector<CharSet> Dfa::alphabets(int least) const {
  const Characters of{class_characters(), followers()};
  std::vector<CharSet> alphabets(labels_.size());
  std::vector<bool> done(labels_.size());
  size_t work = 2'000'000;  // cells to look at; beyond it masks are slower instead
  for (uint32_t state = 0; state < labels_.size(); ++state) {
    if (work < starts_.size()) break;
    CharSet alphabet = of.followers[state];
    if (done[state] || alphabet.size() < least) continue;
    const std::vector<uint32_t> together = settle(of, state, &alphabet, &work);
    if (alphabet.size() < least) continue;
    for (const uint32_t other : together) {
      if (!done[other]) alphabets[other] = alphabet;
      done[other] = true;
    }
  }
  return alphabets;
}

// For each state the fewest characters of the alphabet that lead to a step for which ends(from, to)
// holds, that step not counted; kForever: there is no such step.
template <class Ends>
std::vector<uint32_t> Dfa::shortest_runs(const CharSet& alphabet, Ends ends) const {
  const size_t classes = starts_.size();
  std::vector<bool> used(classes);
  for (size_t i = 0; i < CharSet::kClasses; ++i) {
    if (!alphabet.has(i)) continue;
    const auto [first, last] = CharSet::characters_of(i);
    for (size_t c = class_of(first); c < classes && starts_[c] <= last; ++c) {
      if (starts_[c] != kFirstSurrogate) used[c] = true;
    }
  }
  std::vector<std::vector<uint32_t>> sources(labels_.size());
  std::vector<uint32_t> runs(labels_.size(), kForever);
  std::deque<uint32_t> work;
  for (uint32_t state = 0; state < labels_.size(); ++state) {
    for (size_t c = 0; c < classes; ++c) {
      if (!used[c]) continue;
      const uint32_t target = targets_[state * classes + c];
      if (target != kDead) sources[target].push_back(state);
      if (ends(state, target) && runs[state] == kForever) {
        runs[state] = 0;
        work.push_back(state);
      }
    }
  }
  while (!work.empty()) {
    const uint32_t state = work.front();
    work.pop_front();
    for (const uint32_t source : sources[state]) {
      if (runs[source] != kForever) continue;
      runs[source] = runs[state] + 1;
      work.push_back(source);
    }
  }
  return runs;
}

std::vector<uint32_t> Dfa::free_runs(const CharSet& alphabet) const {
  return shortest_runs(alphabet, [](uint32_t, uint32_t to) { return to == kDead; });
}

std::vector<uint32_t> Dfa::end_runs(const CharSet& alphabet) const {
  std::vector<uint32_t> runs = shortest_runs(alphabet, [&](uint32_t from, uint32_t to) {
    return to != kDead && labels_[from] != labels_[to];
  });
  for (size_t state = 0; state < runs.size(); ++state) {
    if (labels_[state] == 0) {
      runs[state] = 0;
    } else if (runs[state] != kForever) {
      ++runs[state];
    }
  }
  return runs;
}

// States without successor are taken away again and again; what is left leads to a circle.
std::vector<uint32_t> Dfa::reaches() const {
  const size_t classes = starts_.size();
  std::vector<std::vector<uint32_t>> sources(labels_.size());
  std::vector<uint32_t> successors(labels_.size());
  for (size_t i = 0; i < targets_.size(); ++i) {
    if (targets_[i] == kDead) continue;
    sources[targets_[i]].push_back(static_cast<uint32_t>(i / classes));
    ++successors[i / classes];
  }
  std::vector<uint32_t> longest(labels_.size()), result(labels_.size(), kForever), work;
  for (uint32_t state = 0; state < labels_.size(); ++state) {
    if (successors[state] == 0) work.push_back(state);
  }
  while (!work.empty()) {
    const uint32_t state = work.back();
    work.pop_back();
    result[state] = longest[state];
    for (const uint32_t source : sources[state]) {
      longest[source] = std::max(longest[source], longest[state] + 1);
      if (--successors[source] == 0) work.push_back(source);
    }
  }
  return result;
}

}  // namespace issun::grammar
