#include "engine/ngram_drafter.h"

#include <algorithm>

namespace issun::engine {

namespace {

constexpr size_t kSmallestTable = 1024;
// Up to so many tokens before a place are compared, to know what kind of guess it is.
constexpr int kLongestLook = 16;

// Of an n-gram, from its last token to its first.
uint64_t mixed(uint64_t hash, int32_t token) {
  hash = (hash ^ static_cast<uint32_t>(token)) * 0x9e3779b97f4a7c15;
  return hash ^ (hash >> 29);
}

// Tokens before `a` and before `b` that are alike, at most `most`.
int alike_before(std::span<const int32_t> text, size_t a, size_t b, int most) {
  int n = 0;
  while (n < most && static_cast<size_t>(n) < std::min(a, b) &&
         text[a - 1 - static_cast<size_t>(n)] == text[b - 1 - static_cast<size_t>(n)]) {
    ++n;
  }
  return n;
}

int kind_of(int length) { return length < 3 ? 0 : length < 5 ? 1 : length < 9 ? 2 : 3; }

}  // namespace

size_t NgramIndex::slot(int n, uint64_t hash) const {
  return static_cast<size_t>(n - least_) * size_ + (hash & (size_ - 1));
}

// The n-grams before `end`, a place that is followed by a token. Where two share a slot the later
// one stays.
void NgramIndex::add(std::span<const int32_t> text, size_t end) {
  uint64_t hash = 0;
  for (int n = 1; n <= most_ && static_cast<size_t>(n) <= end; ++n) {
    hash = mixed(hash, text[end - static_cast<size_t>(n)]);
    if (n >= least_) slots_[slot(n, hash)] = static_cast<int32_t>(end);
  }
}

void NgramIndex::grow(std::span<const int32_t> text) {
  if (size_ < 2 * text.size()) {
    for (size_ = std::max(size_, kSmallestTable); size_ < 2 * text.size();) size_ *= 2;
    slots_.assign(size_ * static_cast<size_t>(most_ - least_ + 1), 0);
    known_ = 0;
  }
  for (; known_ + 1 < text.size(); ++known_) add(text, known_ + 1);
}

NgramIndex::Match NgramIndex::find(std::span<const int32_t> text) {
  grow(text);
  Match match;
  uint64_t hash = 0;
  for (int n = 1; n <= most_ && static_cast<size_t>(n) < text.size(); ++n) {
    hash = mixed(hash, text[text.size() - static_cast<size_t>(n)]);
    if (n < least_) continue;
    const int32_t next = slots_[slot(n, hash)];
    if (next == 0) continue;
    const int alike = alike_before(text, static_cast<size_t>(next), text.size(), kLongestLook);
    if (alike >= n) match = {next, alike};
  }
  return match;
}

void NgramDrafter::guess(std::span<Guess* const> guesses) {
  for (Guess* guess : guesses) {
    NgramIndex& index = indices_.try_emplace(guess->text, least_, most_).first->second;
    guess->tokens.clear();
    const NgramIndex::Match match = index.find(guess->history);
    if (match.next == 0) continue;
    guess->kind = kind_of(match.length);
    const size_t end = guess->history.size();
    for (size_t i = 0; i < static_cast<size_t>(guess->most); ++i) {
      // A text that repeats what it is just saying goes on so.
      const size_t at = static_cast<size_t>(match.next) + i;
      guess->tokens.push_back(at < end ? guess->history[at] : guess->tokens[at - end]);
    }
  }
}

}  // namespace issun::engine
